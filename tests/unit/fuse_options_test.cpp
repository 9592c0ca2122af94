// Unit tests: the command line of `gmemfs mount`.
#include "fuse/host/command_line.hpp"
#include "fuse/host/settings.hpp"

#include <gtest/gtest.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace gmemfs {
namespace {

Result<ParsedOptions> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "mount");
    std::vector<char *> arguments;
    arguments.reserve(words.size() + 1);
    for (std::string &word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return parse_options(static_cast<int>(words.size()), arguments.data());
}

Options good(const std::vector<std::string> &words) {
    const auto parsed = parse(words);
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().detail);
    return parsed ? parsed->options : Options{};
}

TEST(Options, DefaultsAreTheDocumentedOnes) {
    const Options options = good({"/mnt"});
    EXPECT_EQ(options.mount_point, "/mnt");
    EXPECT_EQ(options.devices, std::vector<std::string>{"0"});
    EXPECT_EQ(options.handles, HandlePolicy::automatic);
    EXPECT_FALSE(options.simulate);
    EXPECT_FALSE(options.foreground);
    EXPECT_EQ(options.capacity, 0U);
}

TEST(Options, ArgumentsForTheSupervisorMeanTheSameOptions) {
    const std::vector<std::vector<std::string>> ways = {{"/mnt"},
        {"/mnt", "--simulate", "--device=all", "--keeper=off"},
        {"--device", "0,2", "--capacity=3G", "--handles=fd", "--simulate=1G", "--workers", "8", "--log=/tmp/a log",
            "-o", "ro,noatime,fsname=x", "/mnt/with -o in it"},
        {"/mnt", "--quota=1000=1G", "--quota", "1001=2G", "--max-files=77", "--broker=off"},
        {"/mnt", "--ecc=on", "-o", "verify-reads"}, {"/mnt", "-o", "io_uring,ro"}};
    for (const auto &words : ways) {
        const Options options = good(words);
        std::vector<std::string> arguments = to_arguments(options);
        arguments.erase(arguments.begin()); // "mount"
        Options again = good(arguments);
        EXPECT_TRUE(again.foreground);
        again.foreground = options.foreground;
        EXPECT_EQ(again.mount_point, options.mount_point);
        EXPECT_EQ(again.mount_options, options.mount_options);
        const auto values_of = [](Options of) {
            of.origins.clear();
            return describe_options(of);
        };
        EXPECT_EQ(values_of(again), values_of(options));
    }
}

TEST(Options, FlagsAndListMeanTheSame) {
    const std::vector<std::vector<std::string>> ways = {
        {"--device", "0,2", "--capacity=3G", "--handles=fd", "--simulate=1G", "--workers", "8", "/mnt"},
        {"/mnt", "-o", "device=0:2,capacity=3G,handles=fd,simulate=1G,workers=8"},
        {"-odevice=0:2,capacity=3G", "-o", "handles=fd,simulate=1G", "/mnt", "-oworkers=8"}};
    for (const auto &words : ways) {
        const Options options = good(words);
        EXPECT_EQ(options.devices, (std::vector<std::string>{"0", "2"}));
        EXPECT_EQ(options.capacity, 3 * GiB);
        EXPECT_EQ(options.handles, HandlePolicy::fd);
        EXPECT_TRUE(options.simulate);
        EXPECT_EQ(options.simulate_size, GiB);
        EXPECT_EQ(options.workers, 8U);
    }
}

TEST(Options, SimulateNeedsNoSize) {
    EXPECT_TRUE(good({"--simulate", "/mnt"}).simulate);
    EXPECT_TRUE(good({"-o", "simulate", "/mnt"}).simulate);
    EXPECT_EQ(good({"--simulate", "/mnt"}).simulate_size, 0U);
}

TEST(Options, MountOptionsArePassedOnAndMountsOwnAreIgnored) {
    const Options options = good({"-o", "allow_other,ro,defaults,noauto,nofail,x-systemd.automount", "/mnt"});
    EXPECT_EQ(options.mount_options, (std::vector<std::string>{"allow_other", "ro"}));
}

TEST(Options, DebugStaysInTheForeground) {
    EXPECT_TRUE(good({"-d", "/mnt"}).foreground);
    EXPECT_TRUE(good({"-fd", "/mnt"}).debug);
}

TEST(Options, WhatCantBeUnderstoodIsNamed) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {{{}, "mount point"},
        {{""}, "mount point"}, {{"/a", "/b"}, "one mount point"}, {{"--nonsense", "/a"}, "nonsense"},
        {{"-o", "nonsense", "/a"}, "nonsense"}, {{"-o", "nonsense=1", "/a"}, "nonsense"},
        {{"-o", "capacity", "/a"}, "capacity"}, {{"-o", "ro=1", "/a"}, "ro"}, {{"--capacity=12Q", "/a"}, "12Q"},
        {{"--capacity=0", "/a"}, "capacity"}, {{"--capacity=-1", "/a"}, "-1"}, {{"--simulate=1K", "/a"}, "simulate"},
        {{"--handles=magic", "/a"}, "magic"}, {{"-o", "verify-reads=on", "/a"}, "verify-reads"},
        {{"--ecc=maybe", "/a"}, "maybe"}, {{"--workers=1", "/a"}, "workers"}, {{"--workers=1000", "/a"}, "1000"},
        {{"--workers=8x", "/a"}, "8x"}, {{"--device=x", "/a"}, "device"}, {{"--device=0,", "/a"}, "device"},
        {{"--device=", "/a"}, "device"}, {{"-o", "io_uring=on", "/a"}, "io_uring"},
        {{"--workers=8", "-o", "io_uring", "/a"}, "workers"}};
    for (const auto &[words, named] : cases) {
        const auto parsed = parse(words);
        ASSERT_FALSE(parsed) << named;
        EXPECT_EQ(parsed.error().code, EINVAL);
        EXPECT_NE(parsed.error().detail.find(named), std::string::npos) << parsed.error().detail;
        EXPECT_EQ(parsed.error().detail.find('\n'), std::string::npos);
    }
}

TEST(Options, PrintingShowsEveryOriginAndNothingElse) {
    const std::string text = describe_options(good({"--capacity=1G", "-o", "handles=fd,noatime", "/mnt"}));
    EXPECT_NE(text.find("capacity = 1073741824  (flag)"), std::string::npos) << text;
    EXPECT_NE(text.find("handles = fd  (-o)"), std::string::npos) << text;
    EXPECT_NE(text.find("noatime = yes  (-o)"), std::string::npos) << text;
    EXPECT_NE(text.find("device = 0  (default)"), std::string::npos) << text;
    std::map<std::string, int> origins;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) ++origins[line.substr(line.rfind("  ") + 2)];
    EXPECT_EQ(origins["(flag)"], 1) << text;
    EXPECT_EQ(origins["(-o)"], 2) << text;
    EXPECT_EQ(origins.size(), 3U) << text;
}

} // namespace
} // namespace gmemfs
