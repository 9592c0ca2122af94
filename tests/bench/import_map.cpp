// Import and map: how long a peer needs to get at a file's memory: read the handle, import it, map it. Prints JSON.
//
//     import_map [--driver LIBRARY] [--repeats N] PATH      medians, microseconds
//
// The driver is open and has its context before the clock starts, as in a peer that is at work already. `unmap_us` is
// what unmapping takes; `closed_us` and `closed_unmap_us` are mapping and unmapping without access in between, as the
// server has memory that nobody reads (docs/pool.md).
#include "vmm/base/limits.hpp"
#include "vmm/memory/mapping.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <getopt.h>
#include <optional>
#include <string_view>
#include <sys/xattr.h>
#include <vector>

namespace gmemfs {
namespace {

struct Options {
    std::string library = "libcuda.so.1";
    std::string path;
    int repeats = 21;
};

class Times {
public:
    void add(double us) { us_.push_back(us); }
    double median() {
        std::nth_element(us_.begin(), us_.begin() + static_cast<std::ptrdiff_t>(us_.size() / 2), us_.end());
        return us_[us_.size() / 2];
    }

private:
    std::vector<double> us_;
};

double now_us() {
    using namespace std::chrono;
    return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

Result<std::uint64_t> read_size(const std::string &path) {
    char text[32] = {};
    const ssize_t size = ::getxattr(path.c_str(), "user.allocation_size", text, sizeof text - 1);
    std::uint64_t bytes = 0;
    if (size > 0) std::from_chars(text, text + size, bytes);
    if (bytes != 0) return bytes;
    return Error{size < 0 ? errno : EPROTO, 0, "read user.allocation_size", path};
}

Result<void> measure(const Options &options) {
    const std::uint64_t size = TRY(read_size(options.path));
    const auto driver = TRY(Driver::open(options.library));
    const std::vector<DeviceInfo> devices = TRY(query_devices(*driver));
    if (devices.empty()) return Error{ENODEV, 0, "find device", options.library};
    const auto device = TRY(Device::open(*driver, devices.front()));
    Times read, import, map, unmap, closed, closed_unmap;
    double first_read_us = 0;
    for (int index = 0; index < options.repeats; ++index) {
        FabricHandle handle;
        const double start = now_us();
        const ssize_t got = ::getxattr(options.path.c_str(), "user.fabric_handle", handle.data(), handle.size());
        const double read_at = now_us();
        if (got != static_cast<ssize_t>(handle.size()))
            return Error{got < 0 ? errno : EPROTO, 0, "read user.fabric_handle", options.path};
        const Allocation memory = TRY(Allocation::import_fabric(*driver, handle));
        const double imported_at = now_us();
        std::optional<Mapping> mapping(TRY(Mapping::create(*driver, device->info(), memory, size)));
        const double mapped_at = now_us();
        mapping.reset();
        const double unmapped_at = now_us();
        mapping.emplace(TRY(Mapping::create_closed(*driver, memory, size)));
        const double closed_at = now_us();
        mapping.reset();
        unmap.add(unmapped_at - mapped_at);
        closed.add(closed_at - unmapped_at);
        closed_unmap.add(now_us() - closed_at);
        if (index == 0) first_read_us = read_at - start; // it may be the one that exports
        read.add(read_at - start);
        import.add(imported_at - read_at);
        map.add(mapped_at - imported_at);
    }
    std::printf(
        "{\"size\": %ju, \"handle_first_us\": %.1f, \"handle_us\": %.1f, \"import_us\": %.1f, \"map_us\": %.1f, "
        "\"unmap_us\": %.1f, \"closed_us\": %.1f, \"closed_unmap_us\": %.1f}\n",
        uintmax_t(size), first_read_us, read.median(), import.median(), map.median(), unmap.median(), closed.median(),
        closed_unmap.median());
    return {};
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {
        {"driver", required_argument, nullptr, 'd'}, {"repeats", required_argument, nullptr, 'r'}, {}};
    Options options;
    bool valid = true;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == 'd')
            options.library = optarg;
        else if (key == 'r')
            options.repeats = std::max(1, std::atoi(optarg));
        else
            valid = false;
    }
    if (!valid || optind + 1 != argc) {
        std::fputs("usage: import_map [--driver LIBRARY] [--repeats N] PATH\n", stderr);
        return 2;
    }
    options.path = argv[optind];
    const Result<void> result = measure(options);
    if (result) return 0;
    std::fprintf(stderr, "import_map: %s\n", result.error().text().c_str());
    return 1;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
