#include "fuse/survival.hpp"

#include "fuse/log.hpp"

#include <glib-unix.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace gmemfs {
namespace {

const char *policy_word(HandlePolicy policy) {
    if (policy == HandlePolicy::fd) return "fd";
    return policy == HandlePolicy::fabric ? "fabric" : "auto";
}

// An extent of the simulator is a descriptor.
void raise_descriptor_limit() {
    rlimit limit = {};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

gboolean tell_of_death(gint, GIOCondition, gpointer) {
    log(LogLevel::error, "keeper",
        "the keeper has died: what is mapped can still be read and written, but no file can grow or be exported, and "
        "the memory is lost with the server; copy out what matters, unmount, and mount anew");
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {} // it was our child, unless we took it over
    return G_SOURCE_REMOVE;
}

} // namespace

Result<std::unique_ptr<Survival>> Survival::create(const std::string &mount_point) {
    RuntimeFolder folder = TRY(RuntimeFolder::take(mount_point));
    raise_descriptor_limit();
    return std::unique_ptr<Survival>(new Survival(std::move(folder)));
}

Result<void> Survival::find_keeper(const Options &options, const std::string &library) {
    Result<Fd> left = folder_.connect_keeper();
    is_recovery_ = left.has_value();
    if (left)
        socket_ = *std::move(left);
    else
        socket_ = TRY(folder_.start_keeper({library, policy_word(options.handles), options.mount_point}));
    return {};
}

Result<Keeper *> Survival::greet_keeper(const Driver &driver) {
    client_ = TRY(KeeperClient::connect(driver, TRY(socket_.duplicate())));
    return client_.get();
}

void Survival::watch_keeper() {
    has_begun_ = true;
    watch_ = g_unix_fd_add(client_->socket(), G_IO_HUP, tell_of_death, nullptr);
}

void Survival::end() {
    if (watch_ != 0 && g_main_context_find_source_by_id(nullptr, watch_) != nullptr) g_source_remove(watch_);
    watch_ = 0;
    if (client_)
        client_->end();
    else if (socket_)
        end_keeper(socket_);
    folder_.remove();
}

Survival::~Survival() {
    if (!has_begun_ && !is_recovery_) end();
}

} // namespace gmemfs
