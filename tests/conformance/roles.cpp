#include "tests/conformance/roles.hpp"

#include "tests/conformance/child.hpp"
#include "tests/conformance/gate.hpp"
#include "tests/conformance/memory.hpp"
#include "tests/conformance/poke.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <optional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace gmemfs::conformance {
namespace {

using Arguments = std::vector<std::string>;
constexpr std::size_t kSize = 2 * kGranule;

template <typename Step>
std::int32_t &at(Message &message, Step step) {
    return message.results.at(static_cast<std::size_t>(step));
}

int creator(const Arguments &arguments) {
    const auto types = static_cast<unsigned>(std::stoul(arguments.at(0)));
    const std::uint64_t seed = std::stoull(arguments.at(1));
    Message message;
    at(message, CreatorStep::init) = driver().cuInit(0);
    const CUmemAllocationProp wanted = arguments.at(2) == "host" ? host_properties(types) : properties(types);
    CUmemGenericAllocationHandle handle = 0;
    const CUresult created = driver().cuMemCreate(&handle, kSize, &wanted, 0);
    at(message, CreatorStep::create) = created;
    Memory memory(created == CUDA_SUCCESS ? handle : 0, kSize);
    std::optional<Mapped> mapped;
    if (seed != 0) {
        use_context();
        write(mapped.emplace(memory).address(), pattern(kSize, seed));
    }
    int number = -1;
    at(message, CreatorStep::export_descriptor) =
        driver().cuMemExportToShareableHandle(&number, memory.handle(), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    const Fd descriptor(number);
    if ((types & kFabric) != 0)
        at(message, CreatorStep::export_fabric) =
            driver().cuMemExportToShareableHandle(message.fabric.data(), memory.handle(), CU_MEM_HANDLE_TYPE_FABRIC, 0);
    message.size = kSize;
    if (!send(kChildSocket, message, descriptor ? &descriptor : nullptr)) return 1;
    for (Message asked; receive(kChildSocket, asked);) {
        Message answer;
        if (asked.size == 1) {
            mapped.reset();
            at(answer, CreatorStep::release) = driver().cuMemRelease(memory.handle());
        } else {
            answer.number = read(mapped->address(), kSize) == pattern(kSize, asked.number) ? 1 : 0;
        }
        if (!send(kChildSocket, answer)) return 1;
    }
    return 0;
}

int importer(const Arguments &) {
    Message asked;
    Fd descriptor;
    if (!receive(kChildSocket, asked, &descriptor)) return 1;
    Message answer;
    at(answer, ImporterStep::init) = driver().cuInit(0);
    use_context();
    CUmemGenericAllocationHandle handle = 0;
    const CUresult imported =
        descriptor ? import_descriptor(descriptor.get(), handle)
                   : driver().cuMemImportFromShareableHandle(&handle, asked.fabric.data(), CU_MEM_HANDLE_TYPE_FABRIC);
    at(answer, ImporterStep::import) = imported;
    descriptor.reset(); // the import stands by itself
    if (imported != CUDA_SUCCESS) return send(kChildSocket, answer) ? 0 : 1;
    const Memory memory(handle, asked.size);
    CUdeviceptr address = 0;
    require(driver().cuMemAddressReserve(&address, memory.size(), 0, 0, 0), "reserve addresses");
    at(answer, ImporterStep::map) = driver().cuMemMap(address, memory.size(), 0, memory.handle(), 0);
    const CUmemAccessDesc access = access_of(0);
    at(answer, ImporterStep::access) = driver().cuMemSetAccess(address, memory.size(), &access, 1);
    answer.number = read(address, memory.size()) == pattern(memory.size(), asked.number) ? 1 : 0;

    int fd = -1;
    unsigned char fabric[64];
    at(answer, ImporterStep::export_descriptor) =
        driver().cuMemExportToShareableHandle(&fd, memory.handle(), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    at(answer, ImporterStep::export_fabric) =
        driver().cuMemExportToShareableHandle(fabric, memory.handle(), CU_MEM_HANDLE_TYPE_FABRIC, 0);
    CUmemGenericAllocationHandle retained = 0;
    at(answer, ImporterStep::retain) =
        driver().cuMemRetainAllocationHandle(&retained, reinterpret_cast<void *>(address)); // NOLINT
    at(answer, ImporterStep::export_retained) =
        driver().cuMemExportToShareableHandle(&fd, retained, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    if (!send(kChildSocket, answer)) return 1;
    while (receive(kChildSocket, asked)) {
        write(address, pattern(memory.size(), asked.number));
        if (!send(kChildSocket, answer)) return 1;
    }
    return 0;
}

int legacy(const Arguments &arguments) {
    Message message;
    CUipcMemHandle handle = {}, none = {};
    CUdeviceptr address = 0, own = 0;
    at(message, LegacyStep::init) = driver().cuInit(0);
    use_context();
    at(message, LegacyStep::allocate) = driver().cuMemAlloc(&address, kSize);
    write(address, pattern(kSize, std::stoull(arguments.at(0))));
    at(message, LegacyStep::export_handle) = driver().cuIpcGetMemHandle(&handle, address);
    at(message, LegacyStep::open_own) = driver().cuIpcOpenMemHandle(&own, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
    const Memory created(kGranule, kDescriptor);
    const Mapped mapped(created);
    at(message, LegacyStep::export_created) = driver().cuIpcGetMemHandle(&none, mapped.address());
    std::memcpy(message.fabric.data(), &handle, sizeof handle);
    message.size = kSize;
    if (!send(kChildSocket, message)) return 1;
    for (Message asked; receive(kChildSocket, asked);) {
        Message answer;
        if (asked.size == 1)
            at(answer, LegacyStep::release) = driver().cuMemFree(address);
        else
            answer.number = read(address, kSize) == pattern(kSize, asked.number) ? 1 : 0;
        if (!send(kChildSocket, answer)) return 1;
    }
    return 0;
}

int uninitialised(const Arguments &) {
    Message message;
    int number = 0;
    const CUmemAllocationProp wanted = properties(0);
    CUmemGenericAllocationHandle handle = 0;
    CUdeviceptr address = 0;
    CUcontext context = nullptr;
    at(message, EarlyStep::version) = driver().cuDriverGetVersion(&number);
    message.number = static_cast<std::uint64_t>(number);
    at(message, EarlyStep::count_devices) = driver().cuDeviceGetCount(&number);
    at(message, EarlyStep::create) = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
    at(message, EarlyStep::release) = driver().cuMemRelease(handle);
    at(message, EarlyStep::reserve) = driver().cuMemAddressReserve(&address, kGranule, 0, 0, 0);
    at(message, EarlyStep::copy) = driver().cuMemcpyHtoDAsync(address, &number, sizeof number, nullptr);
    at(message, EarlyStep::current_context) = driver().cuCtxGetCurrent(&context);
    return send(kChildSocket, message) ? 0 : 1;
}

// In a process of its own, because a card's driver may not survive them.
CUresult give_garbage(const std::string &what) {
    CUmemGenericAllocationHandle handle = 0xdeadbeef;
    if (what == "release") return driver().cuMemRelease(handle);
    if (what == "release-twice") {
        Memory memory(kGranule);
        handle = memory.handle();
        memory.release();
        return driver().cuMemRelease(handle);
    }
    if (what == "map") return driver().cuMemMap(Reservation(kGranule).address(), kGranule, 0, handle, 0);
    int fd = -1;
    if (what == "export")
        return driver().cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    if (what == "import-closed") return import_descriptor(1000, handle);
    if (what == "import-file")
        return import_descriptor(Fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)).get(), handle);
    if (what == "import-null") return import_descriptor(Fd(::open("/dev/null", O_RDWR | O_CLOEXEC)).get(), handle);
    unsigned char fabric[64] = {};
    if (what == "import-random") {
        const Bytes bytes = pattern(sizeof fabric, 7);
        std::memcpy(fabric, bytes.data(), sizeof fabric);
    }
    if (what == "import-zeros" || what == "import-random")
        return driver().cuMemImportFromShareableHandle(&handle, fabric, CU_MEM_HANDLE_TYPE_FABRIC);
    if (what == "free-host") return driver().cuMemFreeHost(fabric);
    std::abort();
}

int garbage(const Arguments &arguments) {
    require(driver().cuInit(0), "initialise");
    use_context();
    Message message;
    message.results[0] = give_garbage(arguments.at(0));
    return send(kChildSocket, message) ? 0 : 1;
}

// In a process of its own, because a fault on a card loses the context.
int copy(const Arguments &arguments) {
    require(driver().cuInit(0), "initialise");
    use_context();
    const std::string &what = arguments.at(0);
    const Memory memory(kGranule);
    Reservation range(2 * kGranule);
    if (what != "unmapped") range.map(memory);
    const CUmemAccessDesc access = access_of(what == "other-device" ? 1 : 0,
        what == "read-only" ? CU_MEM_ACCESS_FLAGS_PROT_READ : CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    if (what != "unmapped" && what != "no-access")
        require(driver().cuMemSetAccess(range.address(), kGranule, &access, 1), "set access");
    const Bytes bytes(4096, 1);
    const CUdeviceptr target = what == "past-the-end" ? range.address(kGranule - bytes.size() / 2) : range.address();
    const OwnStream stream;
    Message message;
    std::optional<Gate> gate;
    std::thread opener;
    if (what == "unmapped-later") gate.emplace(stream.get());
    message.results[0] = driver().cuMemcpyHtoDAsync(target, bytes.data(), bytes.size(), stream.get());
    if (gate) { // the unmap waits for what runs, here the gate, and then goes before what is queued
        opener = std::thread([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            gate->open();
        });
        range.unmap();
        opener.join();
    }
    message.results[1] = driver().cuStreamSynchronize(stream.get());
    if (what == "read-only") message.number = read(range.address(), 16).size();
    return send(kChildSocket, message) ? 0 : 1;
}

// Follows a device address, as no host may: killed by SIGSEGV.
int dereference(const Arguments &) {
    require(driver().cuInit(0), "initialise");
    use_context();
    const Memory memory(kGranule);
    const Mapped mapped(memory);
    ::signal(SIGSEGV, SIG_DFL); // without a sanitizer's report
    Message message;
    message.number = *reinterpret_cast<volatile unsigned char *>(mapped.address()); // NOLINT(performance-no-int-to-ptr)
    return send(kChildSocket, message) ? 0 : 1;
}

// Loads from host memory, which the device has access to, by the processor. Killed where processors have none.
int load(const Arguments &arguments) {
    require(driver().cuInit(0), "initialise");
    use_context();
    const std::string &what = arguments.at(0);
    const HostMemory memory(kGranule);
    Mapped range(memory);
    write(range.address(), pattern(kGranule, 5));
    volatile std::uint8_t *byte = range.host_address();
    if (what != "closed") range.allow_host();
    if (what == "taken-away") range.allow_host(CU_MEM_ACCESS_FLAGS_PROT_NONE);
    if (what == "read-only") range.allow_host(CU_MEM_ACCESS_FLAGS_PROT_READ);
    if (what == "mapped-anew") {
        range.unmap();
        range.map(memory);
        range.allow();
    }
    if (what == "unmapped") range.unmap();
    if (what == "device-address") byte = reinterpret_cast<std::uint8_t *>(range.address()); // NOLINT
    for (const int signal : {SIGSEGV, SIGBUS}) ::signal(signal, SIG_DFL); // without a sanitizer's report
    Message message;
    message.number = *byte;
    if (!send(kChildSocket, message)) return 1;
    if (what == "read-only") *byte = 1;
    return 0;
}

int lost(const Arguments &) {
    Message asked;
    Fd descriptor;
    if (!receive(kChildSocket, asked, &descriptor)) return 1;
    require(driver().cuInit(0), "initialise");
    use_context();
    CUmemGenericAllocationHandle imported = 0;
    require(import_descriptor(descriptor.get(), imported), "import");
    const Memory memory(imported, asked.size);
    const Mapped mapped(memory);
    const Memory other(kGranule, kDescriptor);
    const Reservation range(kGranule);
    const OwnStream stream;
    Bytes bytes(4096);
    Message answer;
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    at(answer, LostStep::load) = driver().cuModuleLoadData(&module, poke_image());
    if (at(answer, LostStep::load) != CUDA_SUCCESS) return send(kChildSocket, answer) ? 0 : 1;
    at(answer, LostStep::find) = driver().cuModuleGetFunction(&function, module, "poke");
    CUdeviceptr nowhere = range.address();
    void *params[] = {&nowhere};
    at(answer, LostStep::launch) =
        driver().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream.get(), params, nullptr);
    at(answer, LostStep::synchronise) = driver().cuStreamSynchronize(stream.get());
    at(answer, LostStep::copy) = driver().cuMemcpyDtoHAsync(bytes.data(), mapped.address(), bytes.size(), stream.get());
    const CUmemAllocationProp wanted = properties(0);
    CUmemGenericAllocationHandle handle = 0;
    at(answer, LostStep::create) = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
    int fd = -1;
    at(answer, LostStep::export_handle) =
        driver().cuMemExportToShareableHandle(&fd, other.handle(), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    at(answer, LostStep::map) = driver().cuMemMap(range.address(), kGranule, 0, other.handle(), 0);
    at(answer, LostStep::unmap) = driver().cuMemUnmap(mapped.address(), mapped.size());
    at(answer, LostStep::release) = driver().cuMemRelease(other.handle());
    std::thread([&] { // which has no context
        at(answer, LostStep::other_thread) = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
    })
        .join();
    const bool is_told = send(kChildSocket, answer);
    std::_Exit(is_told ? 0 : 1); // nothing can be given back any more
}

// For the simulator only: a driver that was copied by fork.
int forked(const Arguments &) {
    require(driver().cuInit(0), "initialise");
    use_context();
    Message message;
    const pid_t child = ::fork();
    if (child == 0) {
        int count = 0;
        message.results[0] = driver().cuDeviceGetCount(&count);
        message.results[1] = driver().cuInit(0);
        std::_Exit(send(kChildSocket, message) ? 0 : 1);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    return status;
}

// `init`: says what cuInit answers, and the version and devices where it succeeds.
int init(const Arguments &) {
    Message message;
    message.results[0] = driver().cuInit == nullptr ? CUDA_ERROR_NOT_FOUND : driver().cuInit(0);
    int version = 0;
    message.results[1] = driver().cuDriverGetVersion(&version);
    message.number = static_cast<std::uint64_t>(version);
    message.results[2] = driver().cuMemCreate != nullptr ? 1 : 0;
    if (message.results[0] == CUDA_SUCCESS && driver().cuMemCreate != nullptr) {
        const CUmemAllocationProp wanted = properties(kFabric);
        CUmemGenericAllocationHandle handle = 0;
        message.results[3] = driver().cuMemCreate(&handle, kGranule, &wanted, 0);
        int has_fabric_attribute = -1;
        message.results[4] =
            driver().cuDeviceGetAttribute(&has_fabric_attribute, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED, 0);
        message.results[5] = has_fabric_attribute;
    }
    if (!send(kChildSocket, message)) return 1;
    Message last;
    receive(kChildSocket, last); // until the parent closes: the machine lives as long
    return 0;
}

} // namespace

int play(const std::string &role, const Arguments &arguments) {
    const std::map<std::string, int (*)(const Arguments &)> roles = {{"creator", creator}, {"importer", importer},
        {"legacy", legacy}, {"uninitialised", uninitialised}, {"garbage", garbage}, {"copy", copy},
        {"dereference", dereference}, {"load", load}, {"lost", lost}, {"lose-one", lose_one}, {"look", look},
        {"forked", forked}, {"init", init}};
    const auto found = roles.find(role);
    if (found == roles.end()) {
        std::fprintf(stderr, "conformance-tests: no role '%s'\n", role.c_str());
        return 2;
    }
    return found->second(arguments);
}

} // namespace gmemfs::conformance
