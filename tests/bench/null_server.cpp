// Null server: the emptiest FUSE server with the same libfuse and options: the ceiling that gmemfs is measured against.
//
// Every name is a file of one size. A write is received and dropped; a read is answered from one buffer; direct_io,
// requests of 1 MiB, parallel direct writes: as gmemfs asks for, so that what differs is the device memory alone.
//
//     null_server [--size BYTES] [--threads N] [--no-parallel] MOUNTPOINT      in the foreground, until unmounted
#include "vmm/base/limits.hpp"

#include <fuse_lowlevel.h>
#include <linux/fuse.h>

#include <algorithm>
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

struct Options {
    std::uint64_t size = 8 * GiB;
    unsigned threads = 16;
    unsigned parallel = FOPEN_PARALLEL_DIRECT_WRITES;
};

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

void op_write(fuse_req_t request, fuse_ino_t, const char *, std::size_t size, off_t, fuse_file_info *) {
    fuse_reply_write(request, size);
}

void op_read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info *) {
    static const std::vector<char> kBytes(kRequestMax, 'x');
    const std::uint64_t left = options_of(request).size -
                               std::min<std::uint64_t>(static_cast<std::uint64_t>(offset), options_of(request).size);
    fuse_reply_buf(request, kBytes.data(), std::min({size, kBytes.size(), static_cast<std::size_t>(left)}));
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

int serve(const char *program, const char *mount_point, Options &options) {
    const char *arguments[] = {program, "-ofsname=null,subtype=null"};
    fuse_args args = FUSE_ARGS_INIT(2, const_cast<char **>(arguments));
    const fuse_lowlevel_ops ops = operations();
    fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, &options);
    int status = 1;
    if (session != nullptr && fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, mount_point) == 0) {
        fuse_loop_config *config = fuse_loop_cfg_create();
        fuse_loop_cfg_set_max_threads(config, options.threads);
        fuse_loop_cfg_set_idle_threads(config, options.threads);
        fuse_loop_cfg_set_clone_fd(config, 0);
        status = fuse_session_loop_mt(session, config) == 0 ? 0 : 1;
        fuse_loop_cfg_destroy(config);
        fuse_session_unmount(session);
    }
    if (session != nullptr) {
        fuse_remove_signal_handlers(session);
        fuse_session_destroy(session);
    }
    fuse_opt_free_args(&args);
    return status;
}

int run(int argc, char **argv) {
    constexpr option kOptions[] = {{"size", required_argument, nullptr, 's'},
        {"threads", required_argument, nullptr, 't'}, {"no-parallel", no_argument, nullptr, 'n'}, {}};
    Options options;
    for (int key = 0; (key = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        const Result<std::uint64_t> number = optarg != nullptr ? parse_size(optarg) : Result<std::uint64_t>(1);
        if (key == '?' || !number) return 2;
        if (key == 's') options.size = *number;
        if (key == 't') options.threads = static_cast<unsigned>(*number);
        if (key == 'n') options.parallel = 0;
    }
    if (optind + 1 == argc) return serve(argv[0], argv[optind], options);
    std::fputs("usage: null_server [--size BYTES] [--threads N] [--no-parallel] MOUNTPOINT\n", stderr);
    return 2;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) { return gmemfs::run(argc, argv); }
