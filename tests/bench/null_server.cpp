// Null server: the emptiest FUSE server with the same libfuse and options: the ceiling that gmemfs is measured against.
//
// Every name is a file of one size; direct_io, requests of 1 MiB, parallel direct writes: as gmemfs asks for. What
// becomes of a file's bytes is the one difference:
//
//     null_server [--sink SINK] [--driver LIBRARY] [--size BYTES] [--threads N] [--no-parallel] [--uring] MOUNTPOINT
//
//     memory   they lie in host memory (one piece for all files): what a server that keeps data can't do without
//     drop     a write is received and dropped, a read answered from one buffer: what FUSE alone costs
//     pinned   like drop, but received into pinned memory and answered from there, by gmemfs' own worker
//     device   like pinned, and each request is copied to or from device memory: all of gmemfs but the filesystem
//
// In the foreground, until unmounted. The last two show, hop by hop, where the time of gmemfs goes.
//
// --uring, with the last two: requests come by gmemfs' own rings (fuse/session/ring_source.hpp; check `gmemfs doctor`).
#include "fuse/mounts/unmount.hpp"
#include "fuse/session/ring_source.hpp"
#include "fuse/session/workers.hpp"
#include "tests/bench/fuse_session.hpp"
#include "vmm/base/limits.hpp"
#include "vmm/keeper/local.hpp"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <sys/mman.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <getopt.h>
#include <string>
#include <string_view>
#include <vector>

namespace gmemfs {
namespace {

enum class Sink { memory, drop, pinned, device };
constexpr const char *kMountOptions = "fsname=null,subtype=null";
constexpr std::string_view kSinks[] = {"memory", "drop", "pinned", "device"};

struct Options {
    Sink sink = Sink::memory;
    std::string driver = "libcuda.so.1";
    std::uint64_t size = 8 * GiB;
    unsigned threads = 16;
    unsigned parallel = FOPEN_PARALLEL_DIRECT_WRITES;
    bool by_ring = false;
    char *memory = nullptr;   // `size` bytes, for Sink::memory
    Extent *extent = nullptr; // `size` bytes, for Sink::device
};

bool has_device(const Options &options) { return options.sink == Sink::pinned || options.sink == Sink::device; }

const Options &options_of(fuse_req_t request) { return *static_cast<const Options *>(fuse_req_userdata(request)); }

struct stat attributes_of(fuse_req_t request, fuse_ino_t ino) {
    struct stat attributes = {};
    attributes.st_ino = ino;
    attributes.st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0666;
    attributes.st_nlink = 1;
    attributes.st_size = ino == FUSE_ROOT_ID ? 0 : static_cast<off_t>(options_of(request).size);
    return attributes;
}

fuse_entry_param entry_of(fuse_req_t request, const char *name) {
    fuse_entry_param entry = {};
    entry.ino = std::max<fuse_ino_t>(std::hash<std::string_view>()(name), FUSE_ROOT_ID + 1);
    entry.attr = attributes_of(request, entry.ino);
    entry.attr_timeout = entry.entry_timeout = 1;
    return entry;
}

void op_init(void *, fuse_conn_info *connection) {
    connection->want &= ~unsigned(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
    connection->max_write = static_cast<unsigned>(kRequestMax);
}

void op_lookup(fuse_req_t request, fuse_ino_t, const char *name) {
    const fuse_entry_param entry = entry_of(request, name);
    fuse_reply_entry(request, &entry);
}

void op_getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info *) {
    const struct stat attributes = attributes_of(request, ino);
    fuse_reply_attr(request, &attributes, 1);
}

void op_setattr(fuse_req_t request, fuse_ino_t ino, struct stat *, int, fuse_file_info *file) {
    op_getattr(request, ino, file);
}

// libfuse 3.14 has no field for parallel direct writes, so the kernel's own structure is the reply.
void op_open(fuse_req_t request, fuse_ino_t, fuse_file_info *) {
    fuse_open_out out = {};
    out.open_flags = FOPEN_DIRECT_IO | options_of(request).parallel;
    fuse_reply_buf(request, reinterpret_cast<const char *>(&out), sizeof out);
}

Slice slice_of(const Options &options, off_t offset, std::size_t size) {
    return {options.extent, static_cast<std::uint64_t>(offset), size};
}

// Calls `queue` with what this worker copies by, and waits.
template <typename Queue>
Result<void> copy(fuse_req_t request, const Queue &queue) {
    Copier &copier = Worker::current().copiers().of(options_of(request).extent->device());
    return copier.wait_after(queue(copier));
}

void fail(fuse_req_t request, const Error &error) {
    std::fprintf(stderr, "null_server: %s\n", error.text().c_str());
    fuse_reply_err(request, error.code);
}

// By gmemfs' own worker, where it is one that serves, and as gmemfs answers (fuse/session/session.hpp).
void reply(fuse_req_t request, const void *bytes, std::size_t size) {
    Worker *const worker = Worker::find_current();
    if (worker == nullptr) {
        fuse_reply_buf(request, static_cast<const char *>(bytes), size);
        return;
    }
    (void)worker->answer(0, {{const_cast<void *>(bytes), size}});
    fuse_reply_none(request);
}

void op_write(fuse_req_t request, fuse_ino_t, const char *bytes, std::size_t size, off_t offset, fuse_file_info *) {
    const Options &options = options_of(request);
    if (static_cast<std::uint64_t>(offset) + size > options.size) {
        fuse_reply_err(request, ENOSPC);
        return;
    }
    if (options.sink == Sink::memory) std::memcpy(options.memory + offset, bytes, size);
    if (options.sink == Sink::device) {
        const auto *const from = reinterpret_cast<const std::byte *>(bytes);
        const Result<void> copied =
            copy(request, [&](Copier &copier) { return copier.queue_write(slice_of(options, offset, size), from); });
        if (!copied) return fail(request, copied.error());
    }
    fuse_write_out out = {};
    out.size = static_cast<std::uint32_t>(size);
    reply(request, &out, sizeof out);
}

void op_read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info *) {
    static const std::vector<char> kBytes(kRequestMax, 'x');
    const Options &options = options_of(request);
    const auto left = static_cast<std::size_t>(options.size - std::min<std::uint64_t>(offset, options.size));
    size = std::min({size, kBytes.size(), left});
    const char *from = kBytes.data();
    if (options.sink == Sink::memory) from = options.memory + offset;
    if (has_device(options)) {
        std::byte *const reply = Worker::current().reply_buffer().data();
        from = reinterpret_cast<const char *>(reply);
        Result<void> copied;
        if (options.sink == Sink::device && size > 0)
            copied = copy(
                request, [&](Copier &copier) { return copier.queue_read(slice_of(options, offset, size), reply); });
        if (!copied) return fail(request, copied.error());
    }
    reply(request, from, size);
}

void op_forget(fuse_req_t request, fuse_ino_t, std::uint64_t) { fuse_reply_none(request); }
void op_unlink(fuse_req_t request, fuse_ino_t, const char *) { fuse_reply_err(request, 0); }
void op_release(fuse_req_t request, fuse_ino_t, fuse_file_info *) { fuse_reply_err(request, 0); }

fuse_lowlevel_ops operations() {
    fuse_lowlevel_ops ops = {};
    ops.init = op_init;
    ops.lookup = op_lookup;
    ops.forget = op_forget;
    ops.getattr = op_getattr;
    ops.setattr = op_setattr;
    ops.open = op_open;
    ops.read = op_read;
    ops.write = op_write;
    ops.unlink = op_unlink;
    ops.release = op_release;
    return ops;
}

Result<void> serve_by_libfuse(fuse_session *session, Options &options) {
    if (options.sink == Sink::memory) {
        void *const memory =
            ::mmap(nullptr, options.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return Error{ENOMEM, 0, "make memory", format_size(options.size)};
        options.memory = static_cast<char *>(memory);
    }
    const int status = loop_with_threads(session, options.threads);
    if (status < 0) return Error{-status, 0, "serve", {}};
    return {};
}

Result<void> serve_with_device(const char *mount_point, Options &options) {
    sigset_t ends = {}; // for this thread alone: so before there are others
    sigemptyset(&ends);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, number);
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    const auto driver = TRY(Driver::open(options.driver));
    const std::vector<DeviceInfo> infos = TRY(query_devices(*driver));
    if (infos.empty()) return Error{ENODEV, 0, "find device", options.driver};
    std::vector<std::unique_ptr<Device>> devices;
    devices.push_back(TRY(Device::open(*driver, infos.front())));
    LocalKeeper keeper(*driver, HandlePolicy::automatic);
    std::shared_ptr<Extent> extent;
    if (options.sink == Sink::device) extent = TRY(Extent::create(keeper, *devices.front(), options.size));
    options.extent = extent.get();
    install_wake_signal();
    if (options.by_ring) TRY(check_rings());
    const auto session = TRY(Session::create(kMountOptions, operations(), &options));
    const auto workers = TRY(Workers::create(devices, *session, options.by_ring ? 0 : options.threads,
        options.by_ring ? Transport::io_uring : Transport::read));
    TRY(session->mount(mount_point));
    workers->start([](std::span<const std::byte>) {}, [] { ::kill(::getpid(), SIGTERM); }); // it was unmounted
    int number = 0;
    ::sigwait(&ends, &number);
    session->end();
    workers->stop();
    session->let_go();
    (void)unmount(mount_point, UnmountMode::lazily); // where somebody else hasn't
    return {};
}

int serve(const char *program, const char *mount_point, Options &options) {
    const auto tell = [](const Result<void> &served) {
        if (!served) std::fprintf(stderr, "null_server: %s\n", served.error().text().c_str());
        return served.has_value();
    };
    if (has_device(options)) return tell(serve_with_device(mount_point, options)) ? 0 : 1;
    const std::string words = std::string("-o") + kMountOptions;
    return serve_mount(program, words.c_str(), mount_point, operations(), &options,
        [&](fuse_session *session) { return tell(serve_by_libfuse(session, options)); });
}

int usage_error() {
    std::fputs("usage: null_server [--sink memory|drop|pinned|device] [--driver LIBRARY] [--size BYTES]\n"
               "                   [--threads N] [--no-parallel] [--uring] MOUNTPOINT\n",
        stderr);
    return 2;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"sink", required_argument, nullptr, 'k'},
        {"driver", required_argument, nullptr, 'd'}, {"size", required_argument, nullptr, 's'},
        {"threads", required_argument, nullptr, 't'}, {"no-parallel", no_argument, nullptr, 'n'},
        {"uring", no_argument, nullptr, 'u'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (key == '?') return usage_error();
        if (key == 'n') options.parallel = 0;
        if (key == 'u') options.by_ring = true;
        if (key == 'd') options.driver = optarg;
        if (key == 'k') {
            const auto *const found = std::find(std::begin(kSinks), std::end(kSinks), std::string_view(optarg));
            if (found == std::end(kSinks)) return usage_error();
            options.sink = static_cast<Sink>(found - std::begin(kSinks));
        }
        if (key != 's' && key != 't') continue;
        const Result<std::uint64_t> number = parse_size(optarg);
        if (!number) return usage_error();
        if (key == 's') options.size = *number;
        if (key == 't') options.threads = static_cast<unsigned>(*number);
    }
    if (optind + 1 != argc || (options.by_ring && !has_device(options))) return usage_error();
    return serve(argv[0], argv[optind], options);
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
