// Plugin: nbdkit-gmemfs-plugin.so: a file of a gmemfs mount behind nbdkit's filters, TLS and tools.
//
//     nbdkit gmemfs /mnt/gpu/disk        a file, or the directory of a thin disk
//
// nbdkit forks between get_ready and after_fork, and a driver doesn't survive a fork, nor does a lease: so the file is
// looked at before, and everything else is made afterwards. nbdkit's buffers are its own and move, so each request pays
// one copy to or from a lane's pinned memory.
#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#include "block/disk/lanes.hpp"
#include "block/disk/thin_folder.hpp"
#include "client/lib/broker_session.hpp"

#include <nbdkit-plugin.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace {

using namespace gmemfs;
using block::Disk;
using block::Lanes;
using block::Parts;
using block::Request;

constexpr std::size_t kLaneMemory = 4 * MiB;
constexpr std::uint32_t kPreferredSize = 4096, kLargestSize = 32 * 1024 * 1024;

/// Makes and removes a thin disk's parts, in a thread of its own; requests wait for it. The destructor ends it.
class PartMaker {
public:
    PartMaker(block::ThinFolder folder, Disk &disk, std::vector<std::uint64_t> written)
        : folder_(std::move(folder)), disk_(disk), written_(std::move(written)), stop_(::eventfd(0, EFD_CLOEXEC)),
          thread_([this] { run(); }) {}
    ~PartMaker() {
        constexpr std::uint64_t kOne = 1;
        (void)!::write(stop_.get(), &kOne, sizeof kOne);
        thread_.join();
    }
    PartMaker(const PartMaker &) = delete;
    PartMaker &operator=(const PartMaker &) = delete;

private:
    void run() {
        for (bool is_over = false; !is_over;) {
            pollfd waits[] = {{disk_.parts()->orders(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
            (void)::poll(waits, std::size(waits), -1);
            is_over = waits[1].revents != 0;
            while (const std::optional<Parts::Order> order = disk_.parts()->next_order())
                if (const Result<void> done = fulfil(folder_, *order, disk_); !done)
                    ::nbdkit_error("%s", done.error().text().c_str());
        }
    }

    block::ThinFolder folder_;
    Disk &disk_;
    const std::vector<std::uint64_t> written_; // the disk's parts use it
    const Fd stop_;
    std::thread thread_; // last, so that all else is there
};

/// The one file of the process: nbdkit's callbacks have no place of their own for it.
struct Served {
    std::string path;
    bool is_thin = false;
    Fd file;
    std::optional<client::BrokerSession> session; // holds the lease; none of a thin disk
    std::unique_ptr<Disk> disk;
    std::optional<PartMaker> maker; // of a thin disk
    std::optional<Lanes> lanes;     // last, so that it goes first
};
Served served;

int fail(const Error &error) {
    ::nbdkit_error("%s", error.text().c_str());
    ::nbdkit_set_error(error.code);
    return -1;
}

int finish(int code, const char *doing) { return code == 0 ? 0 : fail(Error{code, 0, doing, served.path}); }

Result<void> attach_thin() {
    block::ThinFolder folder = TRY(block::ThinFolder::open(served.path, block::Mode::read_write));
    std::shared_ptr<const client::Devices> devices = TRY(client::open_devices(folder.driver()));
    std::vector<std::uint64_t> words(folder.part_count() * block::WrittenBlocks::kWordsPerPart);
    served.disk = TRY(Disk::open_thin(
        std::move(devices), folder.device(), folder.size(), block::Mode::read_write, {}, std::span(words)));
    for (const std::uint32_t index : TRY(folder.list())) {
        client::Attached part = TRY(folder.attach(index));
        block::WrittenBlocks(words).set(index, 0, std::min(block::kPartSize, folder.size() - index * block::kPartSize));
        TRY(served.disk->add_part(index, part));
    }
    served.disk->parts()->begin_serving();
    try {
        served.maker.emplace(std::move(folder), *served.disk, std::move(words));
    } catch (const std::system_error &error) { // the only error of the standard library here
        return Error{error.code().value(), 0, "make a thread"};
    }
    served.lanes.emplace(*served.disk, kLaneMemory);
    return {};
}

Result<void> attach() {
    served.session.emplace(TRY(client::BrokerSession::connect(served.file, served.path)));
    const std::string driver = TRY(client::read_attribute(served.file, "user.gmemfs.driver"));
    client::Attached attached =
        TRY(served.session->attach(served.file, served.path, protocol::kDescriptor, protocol::kWriteLease));
    std::shared_ptr<const client::Devices> devices = TRY(client::open_devices(driver));
    const std::uint64_t size = attached.size;
    served.disk = TRY(Disk::open(std::move(devices), attached, size, block::Mode::read_write, {}));
    served.lanes.emplace(*served.disk, kLaneMemory);
    return {};
}

// ---- nbdkit's callbacks, in the order in which it calls them -------------------------------------------------------

int gmemfs_config(const char *key, const char *value) {
    if (std::string_view(key) != "file") {
        ::nbdkit_error("unknown parameter '%s': the only one is file=PATH", key);
        return -1;
    }
    const std::unique_ptr<char, decltype(&std::free)> path(::nbdkit_realpath(value), std::free);
    if (!path) return -1;
    served.path = path.get(); // nbdkit changes its folder later
    return 0;
}

int gmemfs_config_complete() {
    if (!served.path.empty()) return 0;
    ::nbdkit_error("name a file of a gmemfs mount: nbdkit gmemfs /mnt/gpu/disk");
    return -1;
}

int gmemfs_get_ready() {
    struct stat status = {};
    if (::stat(served.path.c_str(), &status) != 0) return fail(Error{errno, 0, "open file", served.path});
    served.is_thin = S_ISDIR(status.st_mode);
    served.file = Fd(::open(served.path.c_str(), (served.is_thin ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_CLOEXEC));
    if (!served.file) return fail(Error{errno, 0, "open file", served.path});
    if (const Result<std::string> driver = client::read_attribute(served.file, "user.gmemfs.driver"); !driver)
        return fail(Error{ENOTTY, 0, "serve file", served.path + ": it is on no gmemfs mount"});
    if (served.is_thin) {
        const Result<std::uint64_t> size = block::thin_size(served.path);
        if (!size) return fail(size.error());
        // Now, because nbdkit's parent may end before after_fork. The lock outlives the fork.
        const Result<void> locked = block::lock_thin_folder(served.file, served.path);
        return locked ? 0 : fail(locked.error());
    }
    if (status.st_size == 0)
        return fail(Error{ENODATA, 0, "serve file", served.path + ": it is empty: truncate -s 1G"});
    return 0;
}

int gmemfs_after_fork() {
    const Result<void> attached = served.is_thin ? attach_thin() : attach();
    return attached ? 0 : fail(attached.error());
}

void *gmemfs_open(int) { return NBDKIT_HANDLE_NOT_NEEDED; }
std::int64_t gmemfs_get_size(void *) { return static_cast<std::int64_t>(served.disk->size()); }
int gmemfs_can(void *) { return 1; }
int gmemfs_can_fua(void *) { return NBDKIT_FUA_NATIVE; } // every answer means that the device has the bytes
int gmemfs_can_cache(void *) { return NBDKIT_CACHE_NATIVE; }

int gmemfs_block_size(void *, std::uint32_t *smallest, std::uint32_t *preferred, std::uint32_t *largest) {
    *smallest = 1;
    *preferred = kPreferredSize;
    *largest = kLargestSize;
    return 0;
}

int gmemfs_pread(void *, void *bytes, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
    return finish(served.lanes->run(Request::Kind::read, offset, count, static_cast<std::byte *>(bytes)), "read");
}

int gmemfs_pwrite(void *, const void *bytes, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
    auto *const from = static_cast<std::byte *>(const_cast<void *>(bytes)); // only read
    return finish(served.lanes->run(Request::Kind::write, offset, count, from), "write");
}

int gmemfs_flush(void *, std::uint32_t) { return 0; }
int gmemfs_cache(void *, std::uint32_t, std::uint64_t, std::uint32_t) { return 0; }

// A fill by the device, so always fast; trimmed bytes read as zeros.
int gmemfs_trim(void *, std::uint32_t count, std::uint64_t offset, std::uint32_t) {
    return finish(served.lanes->run(Request::Kind::discard, offset, count, nullptr), "discard");
}

int gmemfs_zero(void *, std::uint32_t count, std::uint64_t offset, std::uint32_t flags) {
    const bool may_trim = (flags & NBDKIT_FLAG_MAY_TRIM) != 0;
    const Request::Kind kind = may_trim ? Request::Kind::discard : Request::Kind::zero;
    return finish(served.lanes->run(kind, offset, count, nullptr), "clear");
}

int gmemfs_can_extents(void *) { return served.is_thin ? 1 : 0; }

int gmemfs_extents(void *, std::uint32_t count, std::uint64_t offset, std::uint32_t, nbdkit_extents *extents) {
    for (std::uint64_t at = round_down(offset, block::kPartSize); at < offset + count; at += block::kPartSize) {
        const bool has_memory = served.disk->parts()->has(static_cast<std::uint32_t>(at / block::kPartSize));
        const std::uint64_t length = std::min(block::kPartSize, served.disk->size() - at);
        const std::uint32_t type = has_memory ? 0 : NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
        if (::nbdkit_add_extent(extents, at, length, type) != 0) return -1;
    }
    return 0;
}

void gmemfs_unload() {
    served.lanes.reset();
    served.maker.reset();
    served.disk.reset();
    served.session.reset(); // the process ends, and so does its lease
}

nbdkit_plugin make_plugin() {
    nbdkit_plugin plugin = {};
    plugin.name = "gmemfs";
    plugin.longname = "gmemfs: a file of GPU memory";
    plugin.version = GMEMFS_VERSION;
    plugin.description = "Serves a file of a gmemfs mount from the GPU's memory.";
    plugin.magic_config_key = "file";
    plugin.config_help = "[file=]PATH  (required) a file of a gmemfs mount, or a thin disk's directory";
    plugin.unload = gmemfs_unload;
    plugin.config = gmemfs_config;
    plugin.config_complete = gmemfs_config_complete;
    plugin.get_ready = gmemfs_get_ready;
    plugin.after_fork = gmemfs_after_fork;
    plugin.open = gmemfs_open;
    plugin.get_size = gmemfs_get_size;
    plugin.block_size = gmemfs_block_size;
    plugin.can_write = plugin.can_flush = plugin.can_trim = plugin.can_zero = gmemfs_can;
    plugin.can_fast_zero = plugin.can_multi_conn = gmemfs_can;
    plugin.can_fua = gmemfs_can_fua;
    plugin.can_cache = gmemfs_can_cache;
    plugin.pread = gmemfs_pread;
    plugin.pwrite = gmemfs_pwrite;
    plugin.flush = gmemfs_flush;
    plugin.trim = gmemfs_trim;
    plugin.zero = gmemfs_zero;
    plugin.can_extents = gmemfs_can_extents;
    plugin.extents = gmemfs_extents;
    plugin.cache = gmemfs_cache;
    return plugin;
}

nbdkit_plugin plugin = make_plugin();

} // namespace

NBDKIT_REGISTER_PLUGIN(plugin)
