#include "block/disk/lanes.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs::block {

Result<std::unique_ptr<Lane>> Lanes::take() {
    {
        const Hold hold(mutex_);
        if (!idle_.empty()) {
            std::unique_ptr<Lane> lane = std::move(idle_.back());
            idle_.pop_back();
            return lane;
        }
    }
    Lane made = TRY(Lane::create(disk_, memory_size_));
    return std::make_unique<Lane>(std::move(made));
}

void Lanes::give_back(std::unique_ptr<Lane> lane) {
    const Hold hold(mutex_);
    idle_.push_back(std::move(lane));
}

int Lanes::run(Request::Kind kind, std::uint64_t offset, std::uint64_t length, std::byte *bytes) {
    Result<std::unique_ptr<Lane>> lane = take();
    if (!lane) return lane.error().code;
    const std::span<std::byte> memory = (*lane)->memory();
    int code = 0;
    for (std::uint64_t done = 0; code == 0 && done < length;) {
        const std::uint64_t part =
            has_bytes(kind) ? std::min<std::uint64_t>(length - done, memory.size()) : length - done;
        if (kind == Request::Kind::write) std::memcpy(memory.data(), bytes + done, part);
        Request request = {kind, offset + done, part, has_bytes(kind) ? memory.data() : nullptr, 0};
        (*lane)->run({&request, 1});
        code = request.code;
        if (kind == Request::Kind::read && code == 0) std::memcpy(bytes + done, memory.data(), part);
        done += part;
    }
    give_back(*std::move(lane));
    return code;
}

} // namespace gmemfs::block
