# gmemfs: what is built, from what. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# SANITIZE=address,undefined or SANITIZE=thread builds into a folder of its own under build/, and so does `make debug`.
SANITIZE ?=
VARIANT := $(if $(SANITIZE),$(firstword $(subst $(comma), ,$(SANITIZE))))
comma := ,
VARIANT := $(firstword $(subst $(comma), ,$(SANITIZE)))
BUILD ?= build$(if $(VARIANT),/$(VARIANT))
PREFIX ?= /usr/local
DESTDIR ?=

# The driver API's header, and nvcc where there is one: a toolkit that is installed, or the wheels of `make deps`.
CUDA_HOME ?= $(firstword $(wildcard /usr/local/cuda .cuda/nvidia/cu13))
CUDA_INCLUDE := $(firstword $(wildcard $(CUDA_HOME)/include .cuda/nvidia/cu13/include))
NVCC ?= $(firstword $(wildcard $(CUDA_HOME)/bin/nvcc .cuda/nvidia/cu13/bin/nvcc))

CXX ?= g++
PKGS := fuse3 glib-2.0 gio-2.0
pkg = $(shell pkg-config $(1) $(PKGS) 2>/dev/null)
VERSION := $(shell cat VERSION 2>/dev/null || echo 0.1.0)

OPTIMIZE ?= -O2
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wcast-align -Wvla
ifneq ($(findstring clang,$(CXX)),)
WARNINGS += -Wthread-safety
endif
CPPFLAGS += -I. -isystem $(CUDA_INCLUDE) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DGMEMFS_VERSION='"$(VERSION)"'
CXXFLAGS += -std=c++20 $(OPTIMIZE) -g -fPIC -fno-omit-frame-pointer $(WARNINGS) -MMD -MP -pthread
LDFLAGS += -pthread -Wl,--as-needed
ifneq ($(SANITIZE),)
CXXFLAGS += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SANITIZE)
endif
FUSE_FLAGS = -DFUSE_USE_VERSION=314 $(call pkg,--cflags)
FUSE_LIBS = $(call pkg,--libs)

objects = $(patsubst %.cpp,$(BUILD)/obj/%.o,$(wildcard $(1)))
BASE := $(call objects,vmm/base/*.cpp)
VMM := $(call objects,vmm/*.cpp)
ECC := $(call objects,ecc/*.cpp)
CORE := $(call objects,fuse/core/*.cpp)
SERVER := $(call objects,fuse/*.cpp)
TOOL := $(call objects,tools/*.cpp)
SIM := $(call objects,vmm/sim/*.cpp)
UNIT := $(call objects,tests/unit/*.cpp)
CONFORMANCE := $(call objects,tests/conformance/*.cpp)

.PHONY: all help clean
all: $(BUILD)/gmemfs $(BUILD)/sim/libcuda.so.1

$(BUILD)/obj/fuse/%.o $(BUILD)/obj/tools/%.o $(BUILD)/obj/tests/%.o: CPPFLAGS += $(FUSE_FLAGS)
$(BUILD)/obj/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

$(BUILD)/libvmm.a: $(BASE) $(VMM)
$(BUILD)/libcore.a: $(CORE) $(ECC)
$(BUILD)/libserver.a: $(SERVER)
%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/gmemfs: $(TOOL) $(BUILD)/libserver.a $(BUILD)/libcore.a $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ $(FUSE_LIBS) -ldl

$(BUILD)/sim/libcuda.so.1: $(SIM) vmm/sim/libcuda.map
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) -shared -Wl,-soname,libcuda.so.1 -Wl,--version-script=vmm/sim/libcuda.map -o $@ $(SIM)

$(BUILD)/unit-tests: $(UNIT) $(BUILD)/libcore.a $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -lgtest_main -ldl

$(BUILD)/conformance-tests: $(CONFORMANCE) $(BUILD)/libvmm.a
	$(CXX) $(LDFLAGS) -o $@ $^ -lgtest -ldl

clean:
	rm -rf build

include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
