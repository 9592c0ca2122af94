// Journal bench: what recording a change costs, and a restart from 100,000 files.
#include "fuse/core/journal/journal.hpp"
#include "fuse/core/names/inode_record.hpp"
#include "fuse/core/names/namespace.hpp"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <unistd.h>

namespace {

using namespace gmemfs;

constexpr InodeId kFiles = 100'000;

std::string path() { return "/dev/shm/gmemfs-bench-journal-" + std::to_string(::getpid()); }

std::unique_ptr<Journal> begin() { return std::move(*Journal::create(path(), {})); }

void AppendSize(benchmark::State &state) { // what a write past the end of a file adds to it
    const auto journal = begin();
    std::uint64_t size = 0;
    for (auto _ : state)
        if (!journal->append([&](RecordWriter &record) { record.size(7, ++size); })) std::abort();
    ::unlink(path().c_str());
}
BENCHMARK(AppendSize);

void CreateAndUnlink(benchmark::State &state) { // without a journal, and with one
    const auto journal = begin();
    Namespace names({}, 0755, 0, {});
    if (state.range(0) != 0) names.record_in(journal.get());
    for (auto _ : state) {
        const auto made = names.create(kRootInode, "name", S_IFREG, {}, {}, [](Inode &, const Inode &) {});
        if (!made || !names.unlink(kRootInode, "name", {})) std::abort();
        names.forget((*made)->id(), 1);
    }
    ::unlink(path().c_str());
}
BENCHMARK(CreateAndUnlink)->Arg(0)->Arg(1);

void Replay(benchmark::State &state) {
    {
        const auto journal = begin();
        Namespace names({}, 0755, 0, {});
        names.record_in(journal.get());
        for (InodeId id = 0; id < kFiles; ++id)
            if (!names.create(kRootInode, "file" + std::to_string(id), S_IFREG, {}, {}, [](Inode &, const Inode &) {}))
                std::abort();
        if (!journal->append([&](RecordWriter &record) { record_inode(record, *names.root()); })) std::abort();
    }
    for (auto _ : state) {
        const auto opened = Journal::open(path());
        Namespace names({}, 0755, 0, {});
        const auto restored = names.restore(opened->state, Namespace::KernelMemory::none,
            [](Inode &made, const VolumeState::Node &node) { return made.restore(node, nullptr), Result<void>(); });
        if (!restored) std::abort();
    }
    ::unlink(path().c_str());
}
BENCHMARK(Replay)->Unit(benchmark::kMillisecond);

} // namespace

BENCHMARK_MAIN();
