#include "tests/peer/peer_file.hpp"

#include "vmm/base/units.hpp"

#include <charconv>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/xattr.h>
#include <system_error>
#include <unistd.h>

namespace gmemfs {
namespace {

// The device that the file lives on, where the server says so; else the first.
Result<DeviceInfo> find_device(const Driver &driver, const std::string &path) {
    const std::vector<DeviceInfo> devices = TRY(query_devices(driver));
    if (devices.empty()) return Error{ENODEV, 0, "find device", driver.library + ": it shows no GPU"};
    const Result<std::string> wanted = read_attribute(path, "user.gmemfs.device");
    if (wanted)
        for (const DeviceInfo &device : devices)
            if (device.uuid_text() == *wanted) return device;
    return devices.front();
}

Result<FabricHandle> read_handle(const std::string &path) {
    const std::string bytes = TRY(read_attribute(path, "user.fabric_handle"));
    FabricHandle handle;
    if (bytes.size() != handle.size())
        return Error{EINVAL, 0, "read handle",
            path + ": " + std::to_string(bytes.size()) + " bytes, not 64: empty the file and truncate it once"};
    std::memcpy(handle.data(), bytes.data(), handle.size());
    return handle;
}

Result<std::uint64_t> read_allocation_size(const std::string &path) {
    const std::string text = TRY(read_attribute(path, "user.allocation_size"));
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || end != text.data() + text.size() || size == 0)
        return Error{EPROTO, 0, "read user.allocation_size", path + ": '" + text + "' is no size"};
    return size;
}

} // namespace

double Narrator::now_ms() {
    using namespace std::chrono;
    return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

void Narrator::print(const std::string &what, double took_ms, bool succeeded) {
    std::printf(
        "%-6s %2d. %-78s %9.3f ms%s\n", name_.c_str(), ++count_, what.c_str(), took_ms, succeeded ? "" : "  FAILED");
    std::fflush(stdout); // two processes write in turn
}

Result<void> create_file(const std::string &path, std::uint64_t size) {
    const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return Error{errno, 0, "create file", path};
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
        return Error{errno, 0, "allocate device memory", path + ": " + format_size(size)};
    return {};
}

Result<std::string> read_attribute(const std::string &path, const std::string &name) {
    std::string value(kXattrSizeMax, '\0');
    const ssize_t size = ::getxattr(path.c_str(), name.c_str(), value.data(), value.size());
    if (size < 0) {
        const char *advice = errno == ENOTSUP   ? ": no fabric handles here: `gmemfs doctor` says why"
                             : errno == ENODATA ? ": not on a gmemfs mount, or an empty file"
                                                : "";
        return Error{errno, 0, "read attribute", name + " of " + path + advice};
    }
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Result<PeerFile> PeerFile::open(Narrator &narrator, const std::string &path, const std::string &library) {
    const FabricHandle handle =
        TRY(narrator.tell("getxattr user.fabric_handle: 64 bytes", [&] { return read_handle(path); }));
    const std::uint64_t size =
        TRY(narrator.tell("getxattr user.allocation_size", [&] { return read_allocation_size(path); }));
    PeerFile file;
    file.driver = TRY(narrator.tell("open the driver " + library, [&] { return Driver::open(library); }));
    const DeviceInfo info = TRY(find_device(*file.driver, path));
    file.device = TRY(narrator.tell("make a context on device " + std::to_string(info.ordinal) + ", " + info.name,
        [&] { return Device::open(*file.driver, info); }));
    TRY(file.device->make_current());
    const Allocation memory = TRY(narrator.tell("import the handle (cuMemImportFromShareableHandle)",
        [&] { return Allocation::import_fabric(*file.driver, handle); }));
    file.mapping.emplace(TRY(narrator.tell("reserve, map and make accessible " + format_size(size),
        [&] { return Mapping::create(*file.driver, info, memory, size); })));
    return file; // the mapping holds the memory: the imported handle has been given back here
}

} // namespace gmemfs
