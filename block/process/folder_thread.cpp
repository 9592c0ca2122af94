#include "block/process/folder_thread.hpp"

#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace gmemfs::block {

Result<std::unique_ptr<FolderThread>> FolderThread::start(ThinFolder folder) {
    Fd ready(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!ready) return Error{errno, 0, "make an event"};
    std::unique_ptr<FolderThread> made(new FolderThread(std::move(folder), std::move(ready)));
    try {
        made->thread_ = std::thread([thread = made.get()] { thread->run(); });
    } catch (const std::system_error &error) { // the only error of the standard library here
        return Error{error.code().value(), 0, "make a thread"};
    }
    return made;
}

FolderThread::~FolderThread() {
    {
        const Hold hold(mutex_);
        is_over_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

void FolderThread::push(Parts::Order order) {
    const Hold hold(mutex_);
    orders_.push_back(order);
    changed_.notify_all();
}

// Parts that are to go do so before the end.
std::optional<Parts::Order> FolderThread::next_order() {
    const Hold hold(mutex_);
    while (orders_.empty() && !is_over_) changed_.wait(mutex_);
    while (is_over_ && !orders_.empty() && orders_.front().kind != Parts::Order::Kind::remove) orders_.pop_front();
    if (orders_.empty()) return {};
    const Parts::Order next = orders_.front();
    orders_.pop_front();
    return next;
}

void FolderThread::run() {
    while (const std::optional<Parts::Order> order = next_order()) {
        Done done = {*order, {}, {}};
        if (order->kind == Parts::Order::Kind::make) {
            Result<client::Attached> made = folder_.make(order->index);
            if (made) done.part = *std::move(made);
            if (!made) done.error = made.error();
        } else if (const Result<void> removed = folder_.remove(order->index); !removed) {
            done.error = removed.error();
        }
        const Hold hold(mutex_);
        done_.push_back(std::move(done));
        constexpr std::uint64_t kOne = 1;
        (void)!::write(ready_.get(), &kOne, sizeof kOne);
    }
}

std::optional<FolderThread::Done> FolderThread::next_done() {
    const Hold hold(mutex_);
    if (done_.empty()) {
        std::uint64_t unused = 0;
        (void)!::read(ready_.get(), &unused, sizeof unused);
        return {};
    }
    std::optional<Done> next(std::move(done_.front()));
    done_.pop_front();
    return next;
}

} // namespace gmemfs::block
