// Turns: whose file is next, where the devices of a mount are to be busy side by side.
#include "tools/copy/turns.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace gmemfs {
namespace {

std::size_t task_of(const std::optional<Turns::Turn> &turn) { return turn ? turn->task : SIZE_MAX; }

TEST(CopyTurns, EachPlaceHasOneFileUnderWay) {
    Turns turns;
    for (std::size_t task = 0; task < 3; ++task) turns.add(task, "a", 1);
    turns.add(7, "b", 1);
    EXPECT_EQ(turns.width(), 2U);
    const auto first = turns.take(), second = turns.take();
    EXPECT_EQ(task_of(first), 0U);
    EXPECT_EQ(task_of(second), 7U);
    EXPECT_FALSE(turns.take()) << "both places have one";
    turns.end(*second);
    EXPECT_FALSE(turns.take()) << "b has no more";
    turns.end(*first);
    EXPECT_EQ(task_of(turns.take()), 1U);
}

TEST(CopyTurns, FilesWithoutAPlaceGoAsTheirDevicesAllow) {
    Turns turns;
    for (std::size_t task = 0; task < 5; ++task) turns.add(task, "", 3);
    turns.add(9, "a", 1);
    EXPECT_EQ(turns.width(), 4U);
    std::vector<std::size_t> order;
    while (const auto turn = turns.take()) order.push_back(turn->task);
    EXPECT_EQ(order, (std::vector<std::size_t>{0, 9, 1, 2})) << "the place with the fewest under way, in its order";
}

TEST(CopyTurns, SixteenAtTheMost) {
    Turns turns;
    for (std::size_t task = 0; task < 40; ++task) turns.add(task, std::to_string(task), 1);
    EXPECT_EQ(turns.width(), 16U);
    EXPECT_EQ(Turns().width(), 0U);
}

} // namespace
} // namespace gmemfs
