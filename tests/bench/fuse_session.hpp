// FUSE session: what the bench's servers do around their operations: mount, serve until the end or a signal, unmount.
#pragma once

#include <fuse_lowlevel.h>

#include <functional>

namespace gmemfs {

/// libfuse's own loop, with so many threads. 0, or a negative errno.
inline int loop_with_threads(fuse_session *session, unsigned threads) {
    fuse_loop_config *config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_max_threads(config, threads);
    fuse_loop_cfg_set_idle_threads(config, threads);
    fuse_loop_cfg_set_clone_fd(config, 0);
    const int status = fuse_session_loop_mt(session, config);
    fuse_loop_cfg_destroy(config);
    return status;
}

/// Mounts with `options` ("-o..."), and calls `serve`, which says whether all went well. The exit status.
inline int serve_mount(const char *program, const char *options, const char *mount_point, const fuse_lowlevel_ops &ops,
    void *data, const std::function<bool(fuse_session *)> &serve) {
    const char *arguments[] = {program, options};
    fuse_args args = FUSE_ARGS_INIT(2, const_cast<char **>(arguments));
    fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, data);
    int status = 1;
    if (session != nullptr && fuse_set_signal_handlers(session) == 0 && fuse_session_mount(session, mount_point) == 0) {
        status = serve(session) ? 0 : 1;
        fuse_session_unmount(session);
    }
    if (session != nullptr) {
        fuse_remove_signal_handlers(session);
        fuse_session_destroy(session);
    }
    fuse_opt_free_args(&args);
    return status;
}

} // namespace gmemfs
