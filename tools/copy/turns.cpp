#include "tools/copy/turns.hpp"

#include "vmm/base/result.hpp"

#include <algorithm>

namespace gmemfs {
namespace {

constexpr std::size_t kWidthMost = 16; // twice the devices of the machines that are sold

} // namespace

void Turns::add(std::size_t task, const std::string &place, std::size_t most) {
    const Hold hold(mutex_);
    Line &line = lines_[place];
    line.waiting.push_back(task);
    line.most = most;
}

unsigned Turns::width() const {
    const Hold hold(mutex_);
    std::size_t count = 0;
    for (const auto &[place, line] : lines_) count += std::min(line.most, line.waiting.size());
    return static_cast<unsigned>(std::min(count, kWidthMost));
}

std::optional<Turns::Turn> Turns::take() {
    const Hold hold(mutex_);
    auto best = lines_.end();
    for (auto line = lines_.begin(); line != lines_.end(); ++line) {
        if (line->second.waiting.empty() || line->second.under_way == line->second.most) continue;
        if (best == lines_.end() || line->second.under_way < best->second.under_way) best = line;
    }
    if (best == lines_.end()) return std::nullopt;
    ++best->second.under_way;
    const std::size_t task = best->second.waiting.front();
    best->second.waiting.pop_front();
    return Turn{task, best->first};
}

void Turns::end(const Turn &turn) {
    const Hold hold(mutex_);
    GMEMFS_ASSERT(lines_[turn.place].under_way > 0);
    --lines_[turn.place].under_way;
}

} // namespace gmemfs
