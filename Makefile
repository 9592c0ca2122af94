# gmemfs: what is built, from what. `make help` lists the targets; `make demo` and `make test` need nothing else first.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# ---- what may be set on the command line -----------------------------------------------------------------------------
# SANITIZE=address,undefined or SANITIZE=thread builds into a folder of its own under build/, and so does `make debug`.
SANITIZE ?=
comma := ,
VARIANT := $(firstword $(subst $(comma), ,$(SANITIZE)))
BUILD ?= build$(if $(VARIANT),/$(VARIANT))
OPTIMIZE ?= -O2
# Functions and lines, for backtraces. With variables, too, (-g, as in `make debug`) a compiler takes a third longer.
DEBUG_INFO ?= -g1
PREFIX ?= /usr/local
DESTDIR ?=
CXX ?= g++
# Of developers' tools version 14 where it is there, else whatever version is.
found = $(notdir $(firstword $(wildcard /usr/bin/$(1)-14 /usr/bin/$(1) /usr/bin/$(1)-[0-9]*) $(1)))
CLANG_TIDY ?= $(call found,clang-tidy)
CLANG_FORMAT ?= $(call found,clang-format)
SUITES ?=
BENCH ?=
# The driver API's header: a toolkit that is installed, or the wheels of `make deps`. The first one that is new enough
# counts: 12.3 brought CU_MEM_HANDLE_TYPE_FABRIC (Ubuntu 24.04 packages 12.0). nvcc comes from the same place.
ifeq ($(origin CUDA_HOME),undefined)
CUDA_HOME := $(shell awk '/^.define CUDA_VERSION/ && $$3 >= 12030 { print FILENAME; exit }' /dev/null \
    $(wildcard /usr/local/cuda/include/cuda.h .cuda/nvidia/cu13/include/cuda.h /opt/cuda/include/cuda.h \
               /usr/include/cuda.h) | sed 's,/include/cuda.h,,')
endif
NVCC ?= $(firstword $(wildcard $(CUDA_HOME:%=%/bin/nvcc)))
# Device code is made for these, as far as this nvcc knows them; PTX of the oldest serves every other and later device.
ifneq ($(NVCC),)
ARCHITECTURES ?= $(filter 75 80 86 89 90 100 120,$(patsubst compute_%,%,$(shell $(NVCC) --list-gpu-arch)))
# The PTX of 80, 86, 89 and 90 differs in its name for the target alone, and so does that of 100 and 120; ptxas makes the
# same machine code of it, to the byte (nvcc 13.0). So it is made for 75, 80 and 100, which __CUDA_ARCH__ tells then: that
# is most of nvcc's work.
virtual = $(or $(if $(filter 86 89 90,$(1)),80),$(if $(filter 120,$(1)),100),$(1))
GENCODE ?= $(foreach number,$(ARCHITECTURES),-gencode arch=compute_$(call virtual,$(number)),code=sm_$(number)) \
           -gencode arch=compute_$(firstword $(ARCHITECTURES)),code=compute_$(firstword $(ARCHITECTURES))
endif
# Device code alone is made, for which nvcc has the C++ compiler preprocess: so newer ones than nvcc knows will do, and the
# names that glibc 2.42 declares for _GNU_SOURCE and CUDA 13.0 declares otherwise (rsqrt) are left out. By g++ 12 to 16 and
# clang 14 the kernels are the same to the byte. NVCC_CCBIN: another than CXX (tools/nvcc_compiler.sh looks whether it works).
NVCC_FLAGS := -allow-unsupported-compiler -Xcompiler -U_GNU_SOURCE,-D_DEFAULT_SOURCE,-D_XOPEN_SOURCE=700
NVCC_CCBIN ?=
# A byte of stack a thread is 264 KiB of an H200's memory in each process that loads the kernel (Module::function): what
# ptxas tells of each kernel lies in NAME.ptxas beside NAME.fatbin, and none may need more than this (nvcc 13.0: 160 for
# sm_100, 64 for sm_90).
KERNEL_STACK_MAX := 192

# ---- flags -----------------------------------------------------------------------------------------------------------
VERSION := 0.1.0
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wcast-align -Wvla
ifneq ($(findstring clang,$(CXX)),)
WARNINGS += -Wthread-safety
endif
# /usr/include as a system folder of its own would hide the C headers from the C++ ones.
CUDA_CPPFLAGS := $(addprefix -isystem ,$(filter-out /usr/include,$(CUDA_HOME:%=%/include)))
CPPFLAGS += -I. $(CUDA_CPPFLAGS) -DGMEMFS_CUDA_H='"$(CUDA_HOME)/include/cuda.h"' -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DGMEMFS_VERSION='"$(VERSION)"'
CXXFLAGS += -std=c++20 $(OPTIMIZE) $(DEBUG_INFO) -fPIC -fno-omit-frame-pointer $(WARNINGS) -MMD -MP -pthread
LDFLAGS += -pthread -Wl,--as-needed
ifneq ($(SANITIZE),)
# The sanitizers' checks make g++ 12 see members of an empty std::optional as read; what is read, they find themselves.
CXXFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -Wno-maybe-uninitialized
LDFLAGS += -fsanitize=$(SANITIZE)
endif
# The command alone: as a shared library the C++ runtime costs each of its starts a fifth, in symbols that are looked up.
ifneq ($(wildcard $(shell $(CXX) -print-file-name=libstdc++.a)),)
COMMAND_LDFLAGS := $(if $(SANITIZE),,-static-libstdc++ -static-libgcc)
endif
PKGS := fuse3 glib-2.0 gio-2.0 gio-unix-2.0 zlib liburing
FUSE_FLAGS := -DFUSE_USE_VERSION=314 $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
FUSE_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)
# Into libgmemfs and the command themselves, where their packages have them so: a peer's machine may lack them, and a
# library more costs every start of the command. Such archives aren't compiled for libraries (-fPIC): they fit into one
# whose other symbols are local to it.
archive = $(if $(wildcard $(shell $(CXX) -print-file-name=lib$(1).a)),-l:lib$(1).a,-l$(1))
CODEC_LIBS := $(call archive,lz4) $(call archive,zstd)

# ---- what is made of what: a folder is a list of objects -------------------------------------------------------------
objects = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(wildcard $(1)))
kernels = $(patsubst %.cu,$(BUILD)/obj/%.fatbin.o,$(wildcard $(1)))
# The rooms of each floor, from the lowest up; a floor is one archive. tests/tidy.py says who may know whom.
VMM_ROOMS := vmm/base vmm/device vmm/memory vmm/keeper
CORE_ROOMS := ecc/parity ecc/digest ecc/nvcomp ecc/pack ecc/batch fuse/core/space fuse/core/journal fuse/core/file fuse/core/names fuse/core
SERVER_ROOMS := fuse/process fuse/mounts fuse/host fuse/broker fuse/session fuse/ops
BLOCK_ROOMS := block/disk block/nbd block/ublk block/process
POOL_ROOMS := pool/fit pool/memory
TOOL_ROOMS := tools/host tools/copy tools/snapshot tools/nixl tools/remote tools/device tools/block tools/pool tools/doctor tools/cmd
sources = $(wildcard $(addsuffix /*.cpp,$(1)))
VMM := $(call objects,$(call sources,$(VMM_ROOMS)))
SIM := $(call objects,vmm/sim/*.cpp)
CORE := $(call objects,$(call sources,$(CORE_ROOMS))) $(call kernels,ecc/*/kernels/*.cu)
SERVER := $(call objects,$(call sources,$(SERVER_ROOMS)))
TOOL := $(call objects,$(call sources,$(TOOL_ROOMS)))
BLOCK := $(call objects,$(call sources,$(BLOCK_ROOMS)))
POOL := $(call objects,$(call sources,$(POOL_ROOMS)))
PEER := $(call objects,tests/peer/*.cpp) $(call kernels,tests/peer/kernels/*.cu)
LIBRARY := $(call objects,client/lib/*.cpp)
# What libgmemfs has of ecc/: batches of pages.
LIBRARY_CODECS := $(call objects,ecc/batch/*.cpp ecc/nvcomp/*.cpp ecc/pack/crc32c.cpp) $(call kernels,ecc/batch/kernels/*.cu)
LIBRARY_FILE := libgmemfs.so.$(VERSION)
SUPPORT := $(call objects,tests/support/*.cpp) $(call kernels,tests/support/*.cu)
FOLDERS := $(VMM_ROOMS) vmm/sim vmm/sim/nvml $(CORE_ROOMS) ecc $(SERVER_ROOMS) $(TOOL_ROOMS) tools client/wire client/lib $(BLOCK_ROOMS) block $(POOL_ROOMS) pool/hook pool/nvml pool/door $(wildcard tests/*)
SOURCES := $(call sources,$(FOLDERS))
HEADERS := $(wildcard $(addsuffix /*.hpp,$(FOLDERS)))
FUZZ_ONCE := $(patsubst tests/fuzz/%.cpp,$(BUILD)/fuzz-once/%,$(wildcard tests/fuzz/*.cpp))
GUEST := $(patsubst tests/guest/%.cpp,$(BUILD)/guest-programs/%,$(wildcard tests/guest/*.cpp))
TESTS := $(addprefix $(BUILD)/,unit-tests conformance-tests fault-tests parity-tests pack-tests batch-tests code-tool nixl-drive test-client ublk-device bench/fuse_io bench/nbd_load \
    client/c_test client/pool_test client/cpp_test client/batch_test client/endings pool/program pool/program-linked pool/threads sim/libnvcomp.so.6) $(FUZZ_ONCE) $(GUEST)
BENCHES := $(patsubst tests/bench/%.cpp,$(BUILD)/bench/%,$(wildcard tests/bench/*.cpp))
# Compiled with the tests, which run but two of them: so that a change elsewhere leaves none behind.
BENCH_OBJECTS := $(if $(SANITIZE),,$(call objects,tests/bench/*.cpp))
# Where nbdkit's header is; `make deps` brings it.
PLUGIN := $(if $(wildcard /usr/include/nbdkit-plugin.h),$(BUILD)/nbdkit-gmemfs-plugin.so)
PROGRAMS := $(BUILD)/gmemfs $(BUILD)/gmemfs-block $(PLUGIN) $(BUILD)/sim/libcuda.so.1 $(BUILD)/sim/libnvidia-ml.so.1 $(BUILD)/libgmemfs.so \
    $(BUILD)/libgmemfs-pool.so $(BUILD)/libgmemfs-nvml.so $(BUILD)/libgmemfs-door.so

.PHONY: all programs tests races block-guest sanitize-client deps deps-suites deps-nvcomp deps-nixl check-deps debug demo test test-client test-clean bench fuzz suites bundle \
        install tidy canary lint format help clean look
all: $(PROGRAMS)  ## the gmemfs command, the peers' library and the simulator, under build/
tests: all $(TESTS) $(BENCH_OBJECTS)  ## the programs that `make test` runs

# ---- rules -----------------------------------------------------------------------------------------------------------
# Once per build folder, before the first object: say what is missing, and how to get it.
$(BUILD)/checked: tools/deps.sh
	@$(DEPS) check-build
	@mkdir -p $(@D) && touch $@

# Tests wait for devices, processes and compilers; -O2 takes a compiler two fifths longer for them than -O1.
$(foreach folder,unit model faults conformance support,$(BUILD)/obj/tests/$(folder)/%.o): OPTIMIZE := $(if $(filter -O2,$(OPTIMIZE)),-O1,$(OPTIMIZE))
$(BUILD)/obj/fuse/%.o $(BUILD)/obj/tools/%.o $(BUILD)/obj/tests/%.o $(BUILD)/obj/client/%.o: CPPFLAGS += $(FUSE_FLAGS)
# Kept, and yet made where they are missing: .SECONDARY would leave out a source that is older than its program.
.PRECIOUS: $(BUILD)/obj/%.o $(BUILD)/obj/%.fatbin $(BUILD)/obj/%.fatbin.o
$(BUILD)/obj/%.o: %.cpp | $(BUILD)/checked
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# Device code travels as bytes in an object: NAME_fatbin .. NAME_fatbin_end for NAME.cu. Without nvcc, or
# a compiler that it takes, there are none, and whoever loads them says that this build has no device kernels.
ifneq ($(NVCC),)
NVCC_COMPILER := $(BUILD)/nvcc-compiler
# Looked for again as long as none was found, or where one is named.
$(NVCC_COMPILER): $(if $(NVCC_CCBIN),look,$(if $(shell cat $(NVCC_COMPILER) 2>/dev/null),,look)) | $(BUILD)/checked
	@mkdir -p $(@D)
	@{ $(if $(NVCC_CCBIN),echo $(NVCC_CCBIN),tools/nvcc_compiler.sh "$(CXX)" $(NVCC) $(NVCC_FLAGS)) || true; } > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
$(BUILD)/obj/%.fatbin: %.cu $(NVCC_COMPILER)
	@mkdir -p $(@D)
	@compiler=$$(cat $(NVCC_COMPILER)); if [ -z "$$compiler" ]; then : > $@; exit; fi; told=$(@:.fatbin=.ptxas); \
	    (set -x; $(NVCC) -ccbin "$$compiler" $(NVCC_FLAGS) -std=c++20 -O3 -I. $(GENCODE) -MMD -MT $@ -MF $(@:.fatbin=.fatbin.d) \
	        -Xptxas -v -fatbin $< -o $@ 2> $$told) || { cat $$told >&2; exit 1; }; \
	    awk -v most=$(KERNEL_STACK_MAX) '/^ptxas info/ { if (/entry/) kernel = $$7 " for " $$9; next } \
	        !/ bytes stack frame/ { print; next } \
	        $$1 > most { print "$<: " kernel " needs " $$1 " bytes of stack, more than " most; bad = 1 } END { exit bad }' $$told >&2
else
$(BUILD)/obj/%.fatbin: %.cu | $(BUILD)/checked
	@mkdir -p $(@D)
	: > $@
endif
$(BUILD)/obj/%.fatbin.o: $(BUILD)/obj/%.fatbin
	@printf '%s\n' '.section .rodata' '.balign 16' '.global $(*F)_fatbin, $(*F)_fatbin_end' '$(*F)_fatbin:' \
	    '.incbin "$<"' '$(*F)_fatbin_end:' '.byte 0' '.section .note.GNU-stack,"",@progbits' > $(@:.o=.s)
	$(CXX) -c $(@:.o=.s) -o $@

$(BUILD)/libvmm.a: $(VMM)
$(BUILD)/libcore.a: $(CORE)
$(BUILD)/libserver.a: $(SERVER)
$(BUILD)/libtools.a: $(TOOL)
$(BUILD)/libblock.a: $(BLOCK)
$(BUILD)/libpool.a: $(POOL)
$(BUILD)/libclient.a: $(LIBRARY)
$(BUILD)/libsupport.a: $(SUPPORT)
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar qcs $@ $^  # not r: two rooms may each have a file of one name

$(BUILD)/gmemfs: $(call objects,tools/*.cpp) $(BUILD)/libtools.a $(BUILD)/libblock.a $(BUILD)/libpool.a $(LIBRARY) $(BUILD)/libserver.a $(BUILD)/libcore.a $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) $(COMMAND_LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(CODEC_LIBS) -lcrypto -ldl

# What serves block devices: without GLib and libfuse, because all of it is locked into memory.
$(BUILD)/gmemfs-block: $(call objects,block/*.cpp) $(BUILD)/libblock.a $(LIBRARY) $(LIBRARY_CODECS) $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) $(COMMAND_LDFLAGS) -o $@ $^ $(CODEC_LIBS) -luring -ldl

# nbdkit looks for the name that this has. Its symbols are the one function that nbdkit calls.
$(BUILD)/nbdkit-gmemfs-plugin.so: $(call objects,block/nbdkit/*.cpp) $(BUILD)/libblock.a $(LIBRARY) $(LIBRARY_CODECS) $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) $(COMMAND_LDFLAGS) -shared -Wl,--version-script=block/nbdkit/plugin.map -Wl,-z,nodelete -o $@ $^ $(CODEC_LIBS) -ldl

$(BUILD)/sim/libcuda.so.1: $(SIM) vmm/sim/libcuda.map
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -shared -Wl,-soname,libcuda.so.1 -Wl,--version-script=vmm/sim/libcuda.map \
	    -Wl,-Bsymbolic -Wl,-z,nodelete -o $@ $(SIM)

$(BUILD)/sim/libnvidia-ml.so.1: $(call objects,vmm/sim/nvml/*.cpp vmm/sim/machine.cpp) vmm/sim/nvml/libnvidia-ml.map
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -shared -Wl,-soname,libnvidia-ml.so.1 -Wl,--version-script=vmm/sim/nvml/libnvidia-ml.map \
	    -Wl,-Bsymbolic -Wl,-z,nodelete -o $@ $(filter %.o,$^)

# The file carries the whole version, the soname the ABI's: libgmemfs.so.0 for as long as client/lib/gmemfs.map only grows.
$(BUILD)/$(LIBRARY_FILE): $(LIBRARY) $(LIBRARY_CODECS) $(BUILD)/libvmm.a client/lib/gmemfs.map
	$(CXX) $(LDFLAGS) -shared -Wl,-soname,libgmemfs.so.0 -Wl,--version-script=client/lib/gmemfs.map -Wl,-z,defs,-z,nodelete \
	    -o $@ $(LIBRARY) $(LIBRARY_CODECS) $(BUILD)/libvmm.a $(CODEC_LIBS) -ldl
$(BUILD)/libgmemfs.so: $(BUILD)/$(LIBRARY_FILE)
	ln -sf $(LIBRARY_FILE) $(BUILD)/libgmemfs.so.0
	ln -sf libgmemfs.so.0 $@

# Built as users build: one header, one library, strict C99 and C++17, nothing of this tree linked in.
$(BUILD)/client/%: tests/client/%.c client/lib/gmemfs.h client/lib/gmemfs_pool.h $(BUILD)/libgmemfs.so
	@mkdir -p $(@D)
	$(CC) -I. -std=c99 -pedantic -g -Wall -Wextra -Werror -D_GNU_SOURCE $< -o $@ -L$(BUILD) -lgmemfs -pthread \
	    -Wl,-rpath,'$$ORIGIN/..' $(if $(SANITIZE),-fsanitize=$(SANITIZE))
$(BUILD)/client/%: tests/client/%.cpp client/lib/gmemfs.h client/lib/gmemfs.hpp $(BUILD)/libgmemfs.so
	@mkdir -p $(@D)
	$(CXX) -I. -std=c++17 -pedantic -g $(WARNINGS) $< -o $@ -L$(BUILD) -lgmemfs -pthread -ldl -Wl,-rpath,'$$ORIGIN/..' \
	    $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# For guests, which have no libraries but those of the command.
$(GUEST): $(BUILD)/guest-programs/%: tests/guest/%.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O2 $(WARNINGS) -static -s $< -o $@

# `gmemfs run`: what stands in the driver's place, and what makes programs find it there. The driver itself is the former's
# dependency, under a name that no library has: the latter says which file that is.
$(BUILD)/pool/libgmemfs-%.so:
	@mkdir -p $(@D)
	$(CXX) -shared -nostdlib -Wl,-soname,$(@F) -o $@ -x c /dev/null
$(BUILD)/libgmemfs-pool.so: $(call objects,pool/hook/*.cpp) $(BUILD)/libpool.a $(BUILD)/libclient.a $(BUILD)/libvmm.a \
        $(BUILD)/pool/libgmemfs-driver.so pool/hook/libcuda.map
	$(CXX) $(LDFLAGS) $(COMMAND_LDFLAGS) -shared -Wl,-soname,libcuda.so.1 -Wl,--version-script=pool/hook/libcuda.map \
	    -Wl,-Bsymbolic -Wl,-z,nodelete -o $@ $(filter %.o %.a,$^) -ldl -Wl,--no-as-needed $(BUILD)/pool/libgmemfs-driver.so
# The same for NVML, which goes through it with --limit alone: nothing but the C library, and no sanitizer.
$(BUILD)/libgmemfs-nvml.so: pool/nvml/memory_info.cpp $(wildcard pool/nvml/*.h) $(BUILD)/pool/libgmemfs-nvml-driver.so pool/nvml/libnvidia-ml.map
	$(CXX) -std=c++20 -O2 -fPIC -fno-exceptions -fno-rtti -fno-threadsafe-statics $(WARNINGS) -I. -D_GNU_SOURCE -shared -nodefaultlibs \
	    -Wl,-soname,libnvidia-ml.so.1 -Wl,--version-script=pool/nvml/libnvidia-ml.map -o $@ $< -lc \
	    -Wl,--no-as-needed $(BUILD)/pool/libgmemfs-nvml-driver.so
# In every process of a program: nothing but the C library, and no sanitizer.
$(BUILD)/libgmemfs-door.so: pool/door/door.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O2 -fPIC -fno-exceptions -fno-rtti $(WARNINGS) -I. -D_GNU_SOURCE -shared -nodefaultlibs -o $@ $< -lc

# Programs that know nothing of gmemfs: one opens the driver in many ways, the other one is linked against it.
$(BUILD)/pool/program: tests/pool/program.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O1 $(WARNINGS) $(CUDA_CPPFLAGS) -D_GNU_SOURCE $< -o $@ -pthread -ldl
$(BUILD)/pool/program-linked: tests/pool/program.cpp $(BUILD)/sim/libcuda.so.1
	$(CXX) -std=c++20 -O1 $(WARNINGS) $(CUDA_CPPFLAGS) -D_GNU_SOURCE $< -o $@ -pthread -ldl -Wl,--no-as-needed $(BUILD)/sim/libcuda.so.1

# Instrumented as the pool's library is, so that `gmemfs run` can run it.
$(BUILD)/pool/threads: tests/pool/threads.cpp
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O1 -g1 $(WARNINGS) $(CUDA_CPPFLAGS) -D_GNU_SOURCE $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $< -o $@ -pthread -ldl

# nvCOMP for the simulator: the tests' own, and not installed.
$(BUILD)/sim/libnvcomp.so.6: $(call objects,tests/nvcomp/*.cpp)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -shared -Wl,-soname,libnvcomp.so.6 -o $@ $^ -llz4 -lzstd -ldl

LAYERS := $(BUILD)/libsupport.a $(BUILD)/libtools.a $(BUILD)/libblock.a $(BUILD)/libpool.a $(LIBRARY) $(BUILD)/libserver.a $(BUILD)/libcore.a $(BUILD)/libvmm.a
$(BUILD)/unit-tests: $(call objects,tests/unit/*.cpp tests/model/*.cpp) $(LAYERS)
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main $(FUSE_LIBS) $(CODEC_LIBS) -lcrypto -ldl
$(FUZZ_ONCE): $(BUILD)/fuzz-once/%: $(BUILD)/obj/tests/fuzz/%.o $(call objects,tests/fuzz/once/*.cpp) $(LAYERS)
	@mkdir -p $(@D) && ln -sfn ../sim $(@D)/sim
	$(CXX) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(CODEC_LIBS) -ldl
$(BUILD)/fault-tests: $(call objects,tests/faults/*.cpp) $(LAYERS)
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main $(FUSE_LIBS) $(CODEC_LIBS) -ldl
$(BUILD)/conformance-tests: $(call objects,tests/conformance/*.cpp) $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -ldl
$(BUILD)/parity-tests $(BUILD)/pack-tests $(BUILD)/batch-tests: $(BUILD)/%-tests: $(BUILD)/obj/tests/gpu/%_test.o $(LAYERS)
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest $(FUSE_LIBS) $(CODEC_LIBS) -ldl
$(BUILD)/code-tool: $(call objects,tests/python/*.cpp) $(BUILD)/libcore.a $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -ldl
$(BUILD)/nixl-drive: $(BUILD)/obj/tests/hosts/nixl_drive.o $(LAYERS)
	$(CXX) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(CODEC_LIBS) -ldl
$(BUILD)/test-client: $(PEER) $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -ldl
$(BUILD)/ublk-device: $(BUILD)/obj/tests/block/ublk_device.o $(BUILD)/libblock.a $(LIBRARY) $(BUILD)/libcore.a $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -luring $(CODEC_LIBS) -ldl
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(LAYERS)
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) $(CODEC_LIBS) -lbenchmark -ldl

# ---- what people call ------------------------------------------------------------------------------------------------
# deps may bring a cuda.h, so what needs it is made by another make, which looks again; on every core unless told.
DEPS = CUDA_HOME=$(CUDA_HOME) NVCC=$(NVCC) tools/deps.sh
AGAIN = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
deps:  ## install the packages needed to build and to test (Debian, Ubuntu), and CUDA's headers and nvcc where none are
	@$(DEPS) install
check-deps:  ## say what is missing, and install nothing
	@$(DEPS) check
debug:  ## the same with assertions in the standard library, for a debugger, and not optimised, under build/debug
	@$(AGAIN) BUILD=build/debug OPTIMIZE="-Og -D_GLIBCXX_ASSERTIONS" DEBUG_INFO=-g all
demo:  ## install what the build needs, build, mount (on the GPU, or on the simulator where there is none) and show the main job
	@$(DEPS) install-programs
	@$(AGAIN) all $(BUILD)/test-client
	@BUILD=$(BUILD) tools/demo.sh
test:  ## install what is needed, build, and run every suite; SUITES="unit mount" and SANITIZE=thread choose
	@$(DEPS) install
	@$(AGAIN) tests $(if $(SANITIZE),,races)
	@BUILD=$(BUILD) SANITIZE=$(SANITIZE) tests/run.py $(SUITES)
block-guest: all $(GUEST)  ## swap and filesystems on the kernel's block devices in virtual machines (qemu); GUEST_ROUNDS=20 repeats what kills
	@BUILD=$(BUILD) tests/guest/runner.py
	@BUILD=$(BUILD) tests/guest/newer_nbdkit.py || [ $$? = 77 ]
races:  ## the command and the simulator for ThreadSanitizer, which the suite races runs, under build/thread
	@$(MAKE) --no-print-directory SANITIZE=thread BUILD=$(BUILD)/thread OPTIMIZE=-O0 all \
	    $(BUILD)/thread/sim/libnvcomp.so.6 $(BUILD)/thread/pool/threads $(addprefix $(BUILD)/thread/client/,c_test cpp_test batch_test endings)
sanitize-client:  ## libgmemfs, its C, C++ and Python peers under AddressSanitizer and ThreadSanitizer, into build/address and build/thread
	@$(DEPS) install
	@for sanitize in address,undefined thread; do build=$(BUILD)/$${sanitize%%,*}; \
	    $(AGAIN) SANITIZE=$$sanitize BUILD=$$build OPTIMIZE=-O1 all $$build/code-tool \
	        $$build/sim/libnvcomp.so.6 $$build/client/{c_test,cpp_test,batch_test,endings} || exit; \
	    BUILD=$$build SANITIZE=$$sanitize tests/run.py peers python || exit; done
test-clean:  ## `make test` from nothing
	@$(AGAIN) clean
	@$(AGAIN) test
test-client: $(BUILD)/test-client all  ## a parent shares a file's memory with a child, and back; on the GPU, else on the simulator
	@BUILD=$(BUILD) tests/test_client.sh
bench: all $(BENCHES)  ## measure, each figure beside what it is measured against; BENCH=NAME chooses
	@BUILD=$(BUILD) tests/bench/run.py $(BENCH)
# Built by clang for themselves, under build/fuzz, where what they find lies, too: libFuzzer comes with clang.
FUZZ_SECONDS ?= 60
FUZZ_CXX ?= $(call found,clang++)
FUZZERS := $(patsubst tests/fuzz/%.cpp,build/fuzz/%,$(wildcard tests/fuzz/*.cpp))
# The rooms that they reach; of an archive the linker takes what is called.
FUZZED := $(patsubst %.cpp,build/fuzz/obj/%.o,$(call sources,$(VMM_ROOMS) $(CORE_ROOMS) tools/host tools/snapshot client/lib block/disk block/nbd) fuse/broker/block_list.cpp)
FUZZ_FLAGS := -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -pthread
build/fuzz/obj/%.o: %.cpp | $(BUILD)/checked
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(CPPFLAGS) $(FUSE_FLAGS) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@
build/fuzz/libfuzzed.a: $(FUZZED)
$(FUZZERS): build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o build/fuzz/libfuzzed.a $(call kernels,ecc/*/kernels/*.cu) | $(BUILD)/sim/libcuda.so.1
	@mkdir -p $(@D)/sim $(@D)/corpus/$*
	ln -sf $(abspath $(BUILD))/sim/libcuda.so.1 $(@D)/sim/libcuda.so.1
	$(FUZZ_CXX) $(FUZZ_FLAGS) -o $@ $^ -lz $(CODEC_LIBS) -ldl
fuzz: $(FUZZERS)  ## feed random bytes to whatever takes bytes from outside, FUZZ_SECONDS=60 each
	@for fuzzer in $(FUZZERS); do \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=40000 -len_control=10 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/ build/fuzz/corpus/$$(basename $$fuzzer) || exit 1; done
suites: all  ## third-party filesystem tests on gmemfs and on tmpfs (as root); SUITES="fsx ltp" chooses; tests/suites/README.md
	@BUILD=$(BUILD) tests/suites/run.py $(SUITES)
deps-suites:  ## install what those need, where it is missing
	@$(DEPS) install-suites
deps-nvcomp:  ## fetch nvCOMP (PyPI, 30 MB, NVIDIA's licence) into .nvcomp/, for batches on a GPU and for `make bundle`
	@$(DEPS) install-nvcomp
deps-nixl:  ## fetch NIXL (PyPI, 59 MB, Apache-2.0 and MIT) into .nixl/, for `gmemfs pull` past ssh, and its tests
	@$(DEPS) install-nixl
bundle: tests $(BENCHES)  ## build/bundle: programs, tests and libraries, for a GPU machine that has only a driver
	@BUILD=$(BUILD) tools/bundle.sh
# What backtraces need stays in build/; `make install STRIP=` installs that, too.
STRIP ?= --strip
install: all  ## into $(DESTDIR)$(PREFIX)
	install $(STRIP) -D -m 755 $(BUILD)/gmemfs $(DESTDIR)$(PREFIX)/bin/gmemfs
	install $(STRIP) -D -m 755 $(BUILD)/gmemfs-block $(DESTDIR)$(PREFIX)/lib/gmemfs/gmemfs-block
	install $(STRIP) -D -m 644 $(BUILD)/libgmemfs-pool.so $(DESTDIR)$(PREFIX)/lib/gmemfs/libgmemfs-pool.so
	install $(STRIP) -D -m 644 $(BUILD)/libgmemfs-nvml.so $(DESTDIR)$(PREFIX)/lib/gmemfs/libgmemfs-nvml.so
	install $(STRIP) -D -m 644 $(BUILD)/libgmemfs-door.so $(DESTDIR)$(PREFIX)/lib/gmemfs/libgmemfs-door.so
	install $(STRIP) -D -m 644 $(BUILD)/sim/libcuda.so.1 $(DESTDIR)$(PREFIX)/lib/gmemfs/sim/libcuda.so.1
	install $(STRIP) -D -m 644 $(BUILD)/sim/libnvidia-ml.so.1 $(DESTDIR)$(PREFIX)/lib/gmemfs/sim/libnvidia-ml.so.1
	install -D -m 644 docs/man/gmemfs.1 $(DESTDIR)$(PREFIX)/share/man/man1/gmemfs.1
	install $(STRIP) -D -m 755 $(BUILD)/$(LIBRARY_FILE) $(DESTDIR)$(PREFIX)/lib/$(LIBRARY_FILE)
	ln -sf $(LIBRARY_FILE) $(DESTDIR)$(PREFIX)/lib/libgmemfs.so.0
	ln -sf libgmemfs.so.0 $(DESTDIR)$(PREFIX)/lib/libgmemfs.so
	install -D -m 644 client/lib/gmemfs.h $(DESTDIR)$(PREFIX)/include/gmemfs.h
	install -D -m 644 client/lib/gmemfs_pool.h $(DESTDIR)$(PREFIX)/include/gmemfs_pool.h
	sed 's,"client/lib/gmemfs.h","gmemfs.h",' client/lib/gmemfs.hpp > $(DESTDIR)$(PREFIX)/include/gmemfs.hpp
	@mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig
	sed -e 's,@PREFIX@,$(PREFIX),' -e 's,@VERSION@,$(VERSION),' client/lib/gmemfs.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/gmemfs.pc
tidy:  ## layers, circles, lengths, bool parameters, banned words, dead files, names in docs, format: part of `make test`
	@tests/tidy.py
rooms:  ## what each folder of the source holds, a line a unit; tests/rooms.py --figures: sizes, and circles
	@tests/rooms.py
canary: tests  ## plant bugs, one at a time, and demand that the tests notice
	@tests/canary/run.py
lint:  ## clang-tidy over every source
	printf '%s\n' $(SOURCES) | xargs -P 2 -n 1 -I{} $(CLANG_TIDY) --quiet {} -- -std=c++20 $(CPPFLAGS) $(FUSE_FLAGS)
format:  ## clang-format, in place
	$(CLANG_FORMAT) -i $(SOURCES) $(HEADERS)
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
clean:  ## remove build/
	rm -rf build

include $(shell find $(BUILD)/obj build/fuzz/obj -name '*.d' 2>/dev/null)
