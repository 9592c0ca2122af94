// News and ChangeNotice: when bytes need another number, and when the one who looks is woken.
#include "fuse/core/file/news.hpp"
#include "fuse/core/space/change_notice.hpp"
#include "tests/support/simulation.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <utility>

namespace gmemfs {
namespace {

TEST(News, BytesAreNumberedAtEachCloseAndToldAtTheLast) {
    News news;
    EXPECT_FALSE(news.is_open());
    EXPECT_FALSE(news.number());
    news.add();
    EXPECT_TRUE(news.is_open());
    EXPECT_TRUE(news.number());
    EXPECT_FALSE(news.number()); // they have one
    EXPECT_TRUE(news.is_open());
    const News::Told told = news.tell();
    EXPECT_TRUE(told.is_news && !told.needs_number);
    EXPECT_FALSE(news.is_open());
    EXPECT_FALSE(news.tell().is_news);
}

TEST(News, WhatChangesAfterItGotItsNumberNeedsAnother) {
    News news;
    news.add();
    EXPECT_TRUE(news.number());
    news.add();
    const News::Told told = news.tell();
    EXPECT_TRUE(told.is_news && told.needs_number);
}

TEST(News, AfterARestartTheNextCloseAnnouncesWhetherOrNotAnythingWasWritten) {
    News news;
    news.doubt();
    EXPECT_FALSE(news.is_open());
    EXPECT_TRUE(news.tell().needs_number);
    EXPECT_FALSE(news.tell().needs_number);
}

bool is_readable(int fd) {
    pollfd state = {fd, POLLIN, 0};
    return ::poll(&state, 1, 0) == 1;
}

TEST(ChangeNotice, WakesOnceUntilItIsTakenAndOnlyWhileSomebodyWaits) {
    ChangeNotice notice;
    const int fd = test::must(notice.open());
    notice.tell();
    EXPECT_FALSE(is_readable(fd));
    {
        ChangeNotice::Waiter first(notice);
        const ChangeNotice::Waiter moved(std::move(first));
        EXPECT_EQ(notice.waiters(), 1);
        notice.tell();
        notice.tell();
        EXPECT_TRUE(is_readable(fd));
        notice.taken();
        EXPECT_FALSE(is_readable(fd));
        notice.tell();
        EXPECT_TRUE(is_readable(fd));
    }
    EXPECT_EQ(notice.waiters(), 0);
}

TEST(ChangeNotice, CountsPathsThatLeadElsewhereFromAnotherNumberInEachServer) {
    ChangeNotice notice, next;
    const std::uint64_t before = notice.paths();
    EXPECT_NE(before, 0U);
    EXPECT_NE(before, next.paths());
    notice.tell();
    EXPECT_EQ(notice.paths(), before);
    notice.tell_paths();
    EXPECT_NE(notice.paths(), before);
}

} // namespace
} // namespace gmemfs
