// Server, loss: what a server does when a device is lost to it: makes way for one that heals it, or goes on without it.
//
// A sticky error costs this process its context on one device. Where that is all, another process has another context,
// and so another server heals it. Where the device itself is lost, it wouldn't: so a process of its own is asked first,
// as long as other devices' files go on here (docs/keeper.md).
#include "fuse/host/log.hpp"
#include "fuse/process/device_probe.hpp"
#include "fuse/session/server.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <unistd.h>

namespace gmemfs {

// Whether another server can take over, and hasn't just done so for a device that was lost.
bool Server::may_heal() const {
    const bool has_keeper = survival() != nullptr && !survival()->keeper().is_dead();
    if (supervisor_ == nullptr || !has_keeper) return false;
    if (!is_mounted_ || (is_private() && aim_ != Aim::end)) return false; // what is under way would begin anew
    return supervisor_->generation() == 1 || std::chrono::steady_clock::now() - started_ >= kLossesApart;
}

std::string Server::describe_loss(const Device &device) const {
    const bool has_keeper = survival() != nullptr && !survival()->keeper().is_dead();
    std::string text = "device " + std::to_string(device.info().ordinal) + " (" + device.info().uuid_text() +
                       ") is lost: " + format_size(host_->volume().storage().used_on(device)) +
                       " of files on it can't be reached (EIO), all others can; see `gmemfs doctor` and the kernel's "
                       "log; ";
    if (!has_keeper) return text + "what they hold is lost with this server";
    if (supervisor_ != nullptr) return text + "once it is back: `gmemfs restart " + options().mount_point + "`";
    return text + "once it is back: kill -KILL " + std::to_string(::getpid()) + ", and mount anew";
}

// Another server is started by SIGKILL of our own hand, wherever the error was met: what was asked is not answered, and
// the next server is asked again.
void Server::device_failed(const Device &device, const Error &error) {
    if (host_ == nullptr) return; // at the start, which fails of it, or tells it when it is done
    const std::string where = "device " + std::to_string(device.info().ordinal) + " (" + device.info().uuid_text() +
                              ") is lost to this process";
    const auto is_alive = [](const auto &other) { return !other->failed(); };
    if (std::ranges::any_of(host_->devices(), is_alive)) {
        if (may_heal() && serves_another_process(device)) {
            log(LogLevel::error, "fuse", error, where + ", and not to others: another server takes over");
            ::_exit(kDeviceLost);
        }
        return log(LogLevel::error, "fuse", error, describe_loss(device));
    }
    const bool has_keeper = survival() != nullptr && !survival()->keeper().is_dead();
    if (supervisor_ != nullptr && has_keeper) {
        if (!is_mounted_ || (is_private() && aim_ != Aim::end)) return; // what is under way fails of it
        log(LogLevel::error, "fuse", error, where + ", and another server takes over");
        ::_exit(kDeviceLost);
    }
    const std::string advice =
        has_keeper ? "; every request for its memory fails from here on; the keeper has the files: kill -KILL " +
                         std::to_string(::getpid()) + ", and mount anew"
                   : "; every request for its memory fails from here on, and what files held on it is lost with this "
                     "process: unmount, see what `gmemfs doctor` says, and mount anew";
    log(LogLevel::error, "fuse", error, where + advice);
}

} // namespace gmemfs
