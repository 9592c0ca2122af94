// ColdFiles: files of a storage on the simulator, written, read and packed: for tests of what is packed.
#pragma once

#include "fuse/core/file/file.hpp"
#include "tests/support/simulation.hpp"
#include "vmm/device/simulator_path.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace gmemfs::test {

using Bytes = std::vector<std::byte>;

/// bf16 numbers as trained weights have them.
inline Bytes weights(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.02F);
    Bytes bytes(size);
    for (std::size_t at = 0; at + 2 <= size; at += 2) {
        const float value = normal(random);
        std::memcpy(&bytes[at], reinterpret_cast<const char *>(&value) + 2, 2);
    }
    return bytes;
}

inline Bytes noise(std::size_t size) {
    std::mt19937 random(1);
    Bytes bytes(size);
    for (std::byte &byte : bytes) byte = std::byte(random());
    return bytes;
}

/// The simulator's (tests/nvcomp).
inline std::vector<std::string> simulated_nvcomp() {
    return {simulator_path().substr(0, simulator_path().rfind('/')) + "/libnvcomp.so.6"};
}

/// Storage on the simulator, without limits, and files of it.
class ColdTest : public OnSimulation {
protected:
    explicit ColdTest(const Storage::Limits &limits = {}) : storage_(keeper_, simulation().devices(), limits) {}

    std::unique_ptr<File> make(Protection protection = Protection::none) {
        return make(simulation().device(), protection);
    }
    std::unique_ptr<File> make(Device &home, Protection protection = Protection::none) {
        auto file = std::make_unique<File>(storage_, nullptr, 0);
        must(file->place(&home));
        must(file->set_protection(protection));
        return file;
    }
    /// As many calls as the pinned buffer wants.
    static void write(File &file, std::uint64_t offset, const Bytes &bytes) {
        const auto buffer = simulation().buffer().bytes();
        std::size_t done = 0;
        do {
            const auto pinned = buffer.first(std::min(bytes.size() - done, buffer.size()));
            std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(done), pinned.size(), pinned.begin());
            must(file.write(copiers(), offset + done, pinned, File::By::call));
            done += pinned.size();
        } while (done < bytes.size());
    }
    static Result<Bytes> try_read(File &file, std::uint64_t offset, std::size_t size) {
        const auto buffer = simulation().buffer().bytes();
        Bytes bytes;
        std::size_t count = 0;
        do {
            const auto to = buffer.first(std::min(size - bytes.size(), buffer.size()));
            std::fill(to.begin(), to.end(), std::byte(0xEE));
            count = TRY(file.read(copiers(), offset + bytes.size(), to, File::By::call));
            bytes.insert(bytes.end(), to.begin(), to.begin() + static_cast<std::ptrdiff_t>(count));
        } while (count > 0 && bytes.size() < size);
        return bytes;
    }
    static Bytes read(File &file, std::uint64_t offset, std::size_t size) { return must(try_read(file, offset, size)); }
    static Bytes all_of(File &file) { return read(file, 0, file.size()); }
    /// A file with these bytes, settled.
    std::unique_ptr<File> with(const Bytes &bytes, Protection protection = Protection::none) {
        auto file = make(protection);
        write(*file, 0, bytes);
        must(file->settle(copiers()));
        return file;
    }
    /// The same, packed.
    std::unique_ptr<File> packed(
        const Bytes &bytes, Protection protection = Protection::none, PackBy by = PackBy::own) {
        auto file = with(bytes, protection);
        EXPECT_EQ(must(file->pack(copiers(), by)), File::PackOutcome::packed);
        EXPECT_EQ(file->residence(), Residence::packed);
        return file;
    }

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    Storage storage_;
};

} // namespace gmemfs::test
