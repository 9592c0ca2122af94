#include "vmm/keeper/service.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs {
namespace {

using namespace keeper_protocol;

// Bounds what a server gone wrong can make the keeper hold: 128 GiB in extents of the least size.
constexpr std::size_t kExtentsMax = 65536;
constexpr std::size_t kFdsMax = 4 * kBrokerPeersMax; // a peer takes up to three

template <typename Message>
std::vector<std::byte> bytes_of(const Message &message, std::size_t size = sizeof(Message)) {
    const auto *const first = reinterpret_cast<const std::byte *>(&message);
    return {first, first + size};
}

void tell(Answer &answer, const Error &error) {
    answer.error = error.code;
    answer.driver = error.driver;
    const std::string text = error.detail.empty() ? error.doing : error.doing + (": " + error.detail);
    text.copy(answer.text.data(), answer.text.size() - 1); // the last byte stays zero
}

} // namespace

Result<KeeperService::Served> KeeperService::serve(std::span<const std::byte> message, Fd fd) {
    Request request;
    if (message.size() != sizeof request) return Error{EPROTO, 0, "read request", "it has another size"};
    std::memcpy(&request, message.data(), sizeof request);
    if (request.version != kVersion) return Error{EPROTO, 0, "read request", "it is of another version"};
    const bool is_keep = request.operation == static_cast<std::uint32_t>(Operation::keep_fd);
    const bool is_listen = request.operation == static_cast<std::uint32_t>(Operation::listen);
    const bool is_donation = request.operation == static_cast<std::uint32_t>(Operation::donate);
    if (fd && !is_keep && !is_listen && !is_donation)
        return Error{EPROTO, 0, "read request", "a descriptor where none belongs"};
    if (is_keep) {
        keep_fd(request, std::move(fd));
        return Served{.bytes = {}, .next = Served::Next::silent};
    }
    Served served;
    Fd memory;
    (is_listen ? served.listener : memory) = std::move(fd);
    Answer answer;
    const Result<void> performed = unable_       ? Result<void>(*unable_)
                                   : is_donation ? donate(request, std::move(memory), answer)
                                                 : perform(request, answer, served);
    if (!performed) {
        if (performed.error().code == EPROTO) return Error(performed.error());
        answer = {};
        tell(answer, performed.error());
        served = {};
        if (unable_) served.next = Served::Next::end;
    }
    if (served.bytes.empty() && served.next != Served::Next::silent) served.bytes = bytes_of(answer);
    return served;
}

Result<void> KeeperService::perform(const Request &request, Answer &answer, Served &served) {
    const auto operation = static_cast<Operation>(request.operation);
    switch (operation) {
    case Operation::hello:
        answer.nonce = nonce_;
        answer.count = keeper_->count();
        answer.flags = kKeepsFds | kCanListen | kTakesDonations;
        served.next = Served::Next::alone;
        return {};
    case Operation::create: return create(request, answer);
    case Operation::list: served.bytes = TRY(list(request.id)); return {};
    case Operation::listen:
        if (!served.listener) return Error{EMFILE, 0, "listen elsewhere", "the socket hasn't come to the keeper"};
        return {};
    case Operation::end: served.next = Served::Next::end; return {};
    case Operation::drop_fds:
        fds_.erase(fds_.lower_bound(request.id), fds_.lower_bound(request.id + std::min(request.size, ~request.id)));
        served.next = Served::Next::silent;
        return {};
    case Operation::next_fd: next_fd(request.id, answer, served); return {};
    case Operation::open:
    case Operation::open_fabric:
    case Operation::release:
    case Operation::export_fabric:
    case Operation::export_fd: break;
    default: return Error{EPROTO, 0, "read request", "no such operation"};
    }
    if (!keeper_->holds(request.id))
        return Error{ENOENT, 0, "find extent", std::to_string(request.id) + ": the keeper holds no such extent"};
    if (operation == Operation::export_fabric) return export_fabric(request.id, answer);
    if (operation == Operation::open_fabric) answer.fabric = TRY(keeper_->export_fabric_to_map(request.id));
    if (operation == Operation::open) served.fd = TRY(keeper_->export_fd_to_map(request.id));
    if (operation == Operation::export_fd) served.fd = TRY(keeper_->export_fd(request.id));
    if (operation == Operation::release) {
        keeper_->release(request.id);
        fabric_.erase(request.id);
    }
    return {};
}

// The device that a request for memory is about, where the request makes sense.
Result<const DeviceInfo *> KeeperService::device_of(const Request &request) {
    const auto device = std::find_if(
        devices_.begin(), devices_.end(), [&](const DeviceInfo &info) { return info.uuid == request.device_uuid; });
    if (device == devices_.end()) return Error{ENODEV, 0, "create extent", "the keeper sees no such device"};
    if (request.size == 0 || request.size % device->granularity != 0 || request.size > device->total)
        return Error{request.size > device->total ? ENOSPC : EINVAL, 0, "create extent",
            format_size(request.size) + " on a device of " + format_size(device->total)};
    if (keeper_->count() >= kExtentsMax)
        return Error{ENOSPC, 0, "create extent", "the keeper holds 65536 extents, which is its limit"};
    return &*device;
}

Result<void> KeeperService::create(const Request &request, Answer &answer) {
    const DeviceInfo *const device = TRY(device_of(request));
    answer.id = TRY(keeper_->create(*device, request.size));
    if (keeper_->has_fabric(answer.id)) answer.flags = kHasFabric;
    return {};
}

Result<void> KeeperService::donate(const Request &request, Fd memory, Answer &answer) {
    if (!memory) return Error{EMFILE, 0, "take memory", "its descriptor hasn't come to the keeper"};
    const DeviceInfo *const device = TRY(device_of(request));
    const Result<Keeper::Id> id = keeper_->donate(*device, request.size, std::move(memory));
    if (!id) return Error(id.error());
    answer.id = *id;
    return {};
}

// A descriptor that doesn't come (the keeper may open no more), or that there is no room for, isn't kept. The next
// server finds its peer's process by the process's number then.
void KeeperService::keep_fd(const Request &request, Fd fd) {
    if (!fd || request.id == 0) return;
    if (fds_.size() >= kFdsMax && fds_.count(request.id) == 0) return;
    fds_.insert_or_assign(request.id, KeptFd{std::move(fd), static_cast<Keep>(request.size)});
}

void KeeperService::next_fd(std::uint64_t after, Answer &answer, Served &served) {
    for (auto next = fds_.upper_bound(after); next != fds_.end(); ++next) {
        Result<Fd> copy = next->second.fd.duplicate();
        if (!copy) continue; // as one that never came
        answer.id = next->first;
        served.fd = *std::move(copy);
        return;
    }
}

bool KeeperService::keeps_connections() const {
    return std::any_of(fds_.begin(), fds_.end(), [](const auto &kept) { return kept.second.keep != Keep::always; });
}

void KeeperService::drop_connections() {
    std::erase_if(fds_, [](const auto &kept) { return kept.second.keep != Keep::always; });
}

Result<void> KeeperService::export_fabric(Keeper::Id id, Answer &answer) {
    auto known = fabric_.find(id);
    if (known == fabric_.end()) {
        const FabricHandle made = TRY(keeper_->export_fabric(id));
        known = fabric_.emplace(id, made).first;
    }
    answer.fabric = known->second;
    return {};
}

Result<std::vector<std::byte>> KeeperService::list(Keeper::Id after) {
    const std::vector<Keeper::Held> all = TRY(keeper_->list());
    auto next = std::upper_bound(
        all.begin(), all.end(), after, [](Keeper::Id id, const Keeper::Held &held) { return id < held.id; });
    List page;
    for (; next != all.end() && page.count < kListMax; ++next) {
        const std::uint64_t flags =
            (keeper_->has_fabric(next->id) ? kHasFabric : 0) | (next->is_exported ? kIsExported : 0);
        page.extents.at(page.count++) = {next->id, next->size, next->device_uuid, flags};
    }
    return bytes_of(page);
}

} // namespace gmemfs
