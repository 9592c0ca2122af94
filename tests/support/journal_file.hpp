// Journal file: a folder of its own for the journal of one test.
#pragma once

#include "fuse/core/journal/journal.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>

namespace gmemfs::test {

class JournalFile : public ::testing::Test {
protected:
    JournalFile() {
        std::string pattern = (std::filesystem::temp_directory_path() / "gmemfs-journal-XXXXXX").string();
        folder_ = ::mkdtemp(pattern.data());
    }
    ~JournalFile() override { std::filesystem::remove_all(folder_); }

    std::string path() const { return folder_ + "/journal"; }
    std::string bytes() const {
        std::ifstream file(path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void write(const std::string &bytes) const { std::ofstream(path(), std::ios::binary) << bytes; }

private:
    std::string folder_;
};

inline VolumeState::Node directory_node() {
    VolumeState::Node node;
    node.mode = S_IFDIR | 0755;
    return node;
}

} // namespace gmemfs::test
