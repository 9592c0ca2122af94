#include "block/process/socket_door.hpp"

#include <cstdio>
#include <sys/eventfd.h>
#include <unistd.h>

namespace gmemfs::block {
namespace {

nbd::Listener::Report make_report(const std::string &file) {
    return [file](const Error &error) {
        std::fprintf(stderr, "gmemfs-block: %s: a client: %s\n", file.c_str(), error.text().c_str());
    };
}

} // namespace

SocketDoor::SocketDoor(const Plan &plan, Disk &disk, Fd listener)
    : ended_(::eventfd(0, EFD_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC)),
      listener_(std::move(listener), disk, make_report(plan.file)) {}

Result<std::unique_ptr<Door>> SocketDoor::create(const Plan &plan, Disk &disk, Fd listener) {
    std::unique_ptr<SocketDoor> door(new SocketDoor(plan, disk, std::move(listener)));
    door->thread_ = TRY(ParkedThread::create(
        plan.locking, [door = door.get()] { return door->listener_.run(door->stop_.get()); }, door->ended_.get()));
    return std::unique_ptr<Door>(std::move(door));
}

Result<void> SocketDoor::open(Signal::Kind, std::span<const int>) {
    thread_->start();
    return {};
}

Result<void> SocketDoor::close() {
    constexpr std::uint64_t kOne = 1;
    (void)!::write(stop_.get(), &kOne, sizeof kOne);
    return thread_ ? thread_->finish() : Result<void>();
}

} // namespace gmemfs::block
