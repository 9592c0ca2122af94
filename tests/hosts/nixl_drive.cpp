// nixl-drive: one end of a NIXL transfer without `gmemfs pull`: two of them, and somebody who carries a line between.
//
//     nixl-drive GMEMFS target PATH SIZE          prints what expect() said, in hexadecimal, then what finish() said
//     nixl-drive GMEMFS source PATH [OFFSET:LENGTH...]     reads that line, sends the ranges, or all
//
// Each prints "helper PID" first, "moved BYTES" while bytes move, and last "done: HOW SECONDS" or "failed: ERRNO: WHY",
// of which it ends with 0 or 1. SIGTERM has it give up.
#include "tools/host/interruption.hpp"
#include "tools/nixl/nixl_process.hpp"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sys/stat.h>

namespace {

using namespace gmemfs;

int fail(const Error &error) {
    std::printf("failed: %s: %s\n", ::strerrorname_np(error.code), error.text().c_str());
    return 1;
}

bool watch(std::uint64_t bytes) {
    static std::uint64_t known = 0;
    if (bytes != known) std::printf("moved %" PRIu64 "\n", known = bytes);
    return !is_interrupted();
}

int receive(NixlProcess &helper, const std::string &path, std::uint64_t size) {
    const Result<std::vector<std::byte>> says = helper.expect(1, path, size);
    if (!says) return fail(says.error());
    for (const std::byte byte : *says) std::printf("%02x", std::to_integer<unsigned>(byte));
    std::printf("\n");
    const Result<void> finished = helper.finish(1, watch);
    if (!finished) return fail(finished.error());
    std::printf("done: %s\n", helper.memory_says().c_str());
    return 0;
}

std::vector<std::byte> read_line() {
    std::string line;
    std::getline(std::cin, line);
    std::vector<std::byte> bytes;
    for (std::size_t at = 0; at + 1 < line.size(); at += 2)
        bytes.push_back(static_cast<std::byte>(std::strtoul(line.substr(at, 2).c_str(), nullptr, 16)));
    return bytes;
}

int send(NixlProcess &helper, const std::string &path, std::vector<ByteRange> ranges) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) != 0) return fail({errno, 0, "stat", path});
    if (ranges.empty() && status.st_size > 0) ranges.push_back({0, static_cast<std::uint64_t>(status.st_size)});
    const std::vector<std::byte> target = read_line();
    const auto start = std::chrono::steady_clock::now();
    const Result<void> sent = helper.send(1, path, ranges, target, watch);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (!sent) return fail(sent.error());
    std::printf("done: %s; %.4f\n", helper.memory_says().c_str(), took.count());
    return 0;
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    catch_interruptions();
    NixlSettings settings;
    settings.program = argv[1];
    const bool is_source = std::strcmp(argv[2], "source") == 0;
    const Result<std::unique_ptr<NixlProcess>> helper =
        NixlProcess::start(is_source ? NixlProcess::Role::source : NixlProcess::Role::target, settings);
    if (!helper) return fail(helper.error());
    std::printf("helper %d\n", (*helper)->pid());
    if (!is_source) return receive(**helper, argv[3], std::strtoull(argv[4], nullptr, 10));
    std::vector<ByteRange> ranges;
    for (int index = 4; index < argc; ++index) {
        const char *const colon = std::strchr(argv[index], ':');
        ranges.push_back({std::strtoull(argv[index], nullptr, 10), std::strtoull(colon + 1, nullptr, 10)});
    }
    return send(**helper, argv[3], ranges);
}
