// Model: random operations on a volume, on one thread, from a seed, beside an oracle of plain bytes and names.
//
// After each operation the volume and the oracle agree, and the memory in use is the sum of the files' extents. Some
// driver calls fail on purpose: then the operation must have failed and changed nothing, or have succeeded. A failure
// prints the seed; GMEMFS_MODEL_SEED=n and GMEMFS_MODEL_ROUNDS=n play it again, or for longer.
#include "tests/support/simulation.hpp"
#include "vmm/base/random.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

namespace gmemfs {
namespace {

using test::must;
using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kLargestFile = 12 * MiB;
constexpr std::uint64_t kCapacity = 96 * MiB;
constexpr std::size_t kNames = 6;

std::uint64_t number_of(const char *variable, std::uint64_t otherwise) {
    const char *const text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What a file must be. Two names of one inode share it.
struct Expected {
    InodeRef inode;
    Bytes bytes;
    int opens = 0;
};

class VolumeModel : public test::OnSimulation {
protected:
    void SetUp() override {
        volume_ = std::make_unique<Volume>(
            keeper_, simulation().devices(), Volume::Limits{{kCapacity}}, Credentials{}, 0755, timespec{1, 0});
    }
    void TearDown() override {
        simulation().plan_faults("");
        names_.clear();
        volume_.reset();
    }

    void run(std::uint64_t seed, unsigned operations, bool with_faults);

    Caller caller() { return {Credentials{}, timespec{++second_, 0}, copiers()}; }
    std::string random_name() { return "f" + std::to_string(random_->below(kNames)); }
    std::shared_ptr<Expected> existing();
    std::uint64_t random_offset(const Expected &file);

    // Each returns what it did, for the trace. `result` says whether it succeeded.
    using Step = std::string (VolumeModel::*)(bool &succeeded);
    std::string create(bool &succeeded);
    std::string write(bool &succeeded);
    std::string truncate(bool &succeeded);
    std::string allocate(bool &succeeded);
    std::string punch(bool &succeeded);
    std::string copy(bool &succeeded);
    std::string unlink(bool &succeeded);
    std::string rename(bool &succeeded);
    std::string link(bool &succeeded);
    std::string open_or_close(bool &succeeded);
    std::string export_handles(bool &succeeded);

    void check_file(const Expected &file);
    void check_all();

    LocalKeeper keeper_{simulation().driver(), HandlePolicy::automatic};
    std::unique_ptr<Volume> volume_;
    std::unique_ptr<Random> random_;
    std::map<std::string, std::shared_ptr<Expected>> names_;
    time_t second_ = 1;
};

std::shared_ptr<Expected> VolumeModel::existing() {
    if (names_.empty()) return nullptr;
    auto at = names_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_->below(names_.size())));
    return at->second;
}

// Near the start, the end, or a granule's boundary, where mistakes are.
std::uint64_t VolumeModel::random_offset(const Expected &file) {
    const std::uint64_t near = random_->below(9);
    switch (random_->below(4)) {
    case 0: return near;
    case 1: return file.bytes.size() - std::min<std::uint64_t>(near, file.bytes.size());
    case 2: return (1 + random_->below(5)) * 2 * MiB - 4 + near;
    default: return random_->below(kLargestFile);
    }
}

std::string VolumeModel::create(bool &succeeded) {
    const std::string name = random_name();
    if (names_.count(name) != 0) return "create " + name + ": is there";
    const auto made = volume_->make_node(caller(), kRootInode, name, S_IFREG | 0644, 0);
    succeeded = made.has_value();
    if (!made) return "create " + name;
    names_[name] = std::make_shared<Expected>(Expected{*made, {}, 0});
    if (random_->below(3) != 0) return "create " + name;
    must(volume_->place(**made, must(read_placement(volume_->storage(), "spread:0-1"))));
    return "create and spread " + name;
}

std::string VolumeModel::write(bool &succeeded) {
    const auto file = existing();
    if (!file) return "write: no file";
    const std::uint64_t offset = random_offset(*file);
    const std::size_t length = 1 + random_->below(random_->below(2) == 0 ? 100 : 3 * MiB);
    const auto bytes = pattern(length, static_cast<unsigned>(random_->next()));
    const auto result = volume_->write(caller(), *file->inode, offset, bytes, File::By::call);
    succeeded = result.has_value();
    if (succeeded || offset < file->bytes.size()) {
        // A write within the file that failed may have left anything in its range: take what is there as right.
        const std::size_t end =
            succeeded ? std::max<std::size_t>(file->bytes.size(), offset + length) : file->bytes.size();
        file->bytes.resize(end);
        const std::size_t part = std::min(length, end - offset);
        if (succeeded) {
            std::memcpy(file->bytes.data() + offset, bytes.data(), part);
        } else {
            simulation().plan_faults("");
            const auto to = simulation().buffer().bytes().first(part);
            must(volume_->read(caller(), *file->inode, offset, to, File::By::call));
            std::memcpy(file->bytes.data() + offset, to.data(), part);
        }
    }
    return "write " + std::to_string(length) + " at " + std::to_string(offset);
}

std::string VolumeModel::truncate(bool &succeeded) {
    const auto file = existing();
    if (!file) return "truncate: no file";
    AttributeChanges changes;
    changes.size = random_->below(5) == 0 ? 0 : random_offset(*file);
    const auto result = volume_->set_attributes(caller(), *file->inode, changes);
    succeeded = result.has_value();
    if (succeeded) file->bytes.resize(*changes.size);
    return "truncate to " + std::to_string(*changes.size);
}

std::string VolumeModel::allocate(bool &succeeded) {
    const auto file = existing();
    if (!file) return "allocate: no file";
    const std::uint64_t offset = random_offset(*file);
    const std::uint64_t length = 1 + random_->below(3 * MiB);
    const auto mode = random_->below(2) == 0 ? File::SizeMode::keep : File::SizeMode::extend;
    const auto result = volume_->allocate(caller(), *file->inode, offset, length, mode);
    succeeded = result.has_value();
    if (succeeded && mode == File::SizeMode::extend)
        file->bytes.resize(std::max<std::size_t>(file->bytes.size(), offset + length));
    EXPECT_TRUE(!succeeded || file->inode->file()->allocated() >= offset + length);
    return "allocate " + std::to_string(length) + " at " + std::to_string(offset);
}

std::string VolumeModel::punch(bool &succeeded) {
    const auto file = existing();
    if (!file) return "punch: no file";
    const std::uint64_t offset = random_offset(*file);
    const std::uint64_t length = 1 + random_->below(3 * MiB);
    const auto result = volume_->punch(caller(), *file->inode, offset, length);
    succeeded = result.has_value();
    const std::size_t from = std::min<std::size_t>(offset, file->bytes.size());
    const std::size_t to = std::min<std::size_t>(offset + length, file->bytes.size());
    // A punch that failed half-way may have cleared what it was asked to clear.
    if (!succeeded && from < to) {
        simulation().plan_faults("");
        succeeded = volume_->punch(caller(), *file->inode, offset, length).has_value();
    }
    if (succeeded) std::fill_n(file->bytes.data() + from, to - from, std::byte(0));
    return "punch " + std::to_string(length) + " at " + std::to_string(offset);
}

std::string VolumeModel::copy(bool &succeeded) {
    const auto source = existing();
    const auto target = existing();
    if (!source || source == target) return "copy: nothing to";
    const std::uint64_t from = random_offset(*source);
    const std::uint64_t to = random_offset(*target);
    const std::uint64_t length = 1 + random_->below(4 * MiB);
    const auto result = volume_->copy(caller(), *source->inode, from, *target->inode, to, length);
    succeeded = result.has_value();
    const std::uint64_t expected =
        from >= source->bytes.size() ? 0 : std::min<std::uint64_t>(length, source->bytes.size() - from);
    if (succeeded) {
        EXPECT_EQ(*result, expected);
        if (expected > 0) {
            target->bytes.resize(std::max<std::size_t>(target->bytes.size(), to + expected));
            std::memcpy(target->bytes.data() + to, source->bytes.data() + from, expected);
        }
    } else if (to < target->bytes.size()) { // as for a failed write
        simulation().plan_faults("");
        const auto bytes =
            simulation().buffer().bytes().first(std::min<std::size_t>(length, target->bytes.size() - to));
        const std::size_t count = must(volume_->read(caller(), *target->inode, to, bytes, File::By::call));
        std::memcpy(target->bytes.data() + to, bytes.data(), count);
    }
    return "copy " + std::to_string(length) + " from " + std::to_string(from) + " to " + std::to_string(to);
}

std::string VolumeModel::unlink(bool &succeeded) {
    const std::string name = random_name();
    succeeded = volume_->names().unlink(kRootInode, name, caller().now).has_value();
    EXPECT_EQ(succeeded, names_.count(name) != 0) << name;
    if (!succeeded) return "unlink " + name + ": not there";
    const auto file = names_[name];
    names_.erase(name);
    if (file.use_count() == 1) { // its last name: the kernel closes and forgets it
        while (file->opens-- > 0) EXPECT_TRUE(volume_->close(caller(), *file->inode));
        volume_->names().forget(file->inode->id(), 1'000'000);
    }
    return "unlink " + name;
}

std::string VolumeModel::rename(bool &succeeded) {
    const std::string from = random_name();
    const std::string to = random_name();
    succeeded = volume_->names()
                    .rename(kRootInode, from, kRootInode, to, Namespace::RenameMode::replace, caller().now)
                    .has_value();
    EXPECT_EQ(succeeded, names_.count(from) != 0) << from;
    if (!succeeded) return "rename " + from + ": not there";
    const auto moved = names_[from];
    const auto replaced = names_.count(to) != 0 ? names_[to] : nullptr;
    if (moved == replaced) return "rename " + from + " to its own other name";
    names_.erase(from);
    names_[to] = moved;
    if (replaced && replaced.use_count() == 1) {
        while (replaced->opens-- > 0) EXPECT_TRUE(volume_->close(caller(), *replaced->inode));
        volume_->names().forget(replaced->inode->id(), 1'000'000);
    }
    return "rename " + from + " to " + to;
}

std::string VolumeModel::link(bool &succeeded) {
    const auto file = existing();
    const std::string name = random_name();
    if (!file || names_.count(name) != 0) return "link: nothing to";
    succeeded = volume_->names().link(file->inode->id(), kRootInode, name, caller().now).has_value();
    EXPECT_TRUE(succeeded);
    names_[name] = file;
    return "link " + name;
}

std::string VolumeModel::open_or_close(bool &succeeded) {
    const auto file = existing();
    if (!file) return "open: no file";
    if (file->opens > 0 && random_->below(2) == 0) {
        --file->opens;
        succeeded = volume_->close(caller(), *file->inode).has_value(); // settles; a failure loses nothing
        return "close";
    }
    succeeded = volume_->open(caller(), *file->inode, Volume::OpenMode::keep).has_value();
    if (succeeded) ++file->opens;
    return "open";
}

std::string VolumeModel::export_handles(bool &succeeded) {
    const auto file = existing();
    if (!file || random_->below(4) != 0) return "export: not now"; // an exported file never merges again
    succeeded = volume_->fabric_handles(caller(), *file->inode).has_value();
    return "export";
}

void VolumeModel::check_file(const Expected &file) {
    ASSERT_EQ(file.inode->file()->size(), file.bytes.size());
    const auto buffer = simulation().buffer().bytes();
    for (std::size_t at = 0; at <= file.bytes.size(); at += buffer.size()) {
        const std::size_t count = must(volume_->read(caller(), *file.inode, at, buffer, File::By::call));
        ASSERT_EQ(count, std::min(buffer.size(), file.bytes.size() - at));
        const auto found = std::mismatch(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count),
            file.bytes.begin() + static_cast<std::ptrdiff_t>(at));
        ASSERT_EQ(found.first - buffer.begin(), static_cast<std::ptrdiff_t>(count))
            << "first wrong byte at " << at + static_cast<std::size_t>(found.first - buffer.begin());
    }
}

void VolumeModel::check_all() {
    std::map<const Inode *, std::uint64_t> allocated;
    for (const auto &[name, file] : names_) allocated[file->inode.get()] = file->inode->file()->allocated();
    std::uint64_t sum = 0;
    for (const auto &[inode, bytes] : allocated) sum += bytes;
    const Storage::Space space = volume_->storage().space();
    ASSERT_EQ(space.used, sum + space.shared.extents - space.shared.slots);
    ASSERT_EQ(volume_->names().count(), allocated.size() + 1);
}

void VolumeModel::run(std::uint64_t seed, unsigned operations, bool with_faults) {
    random_ = std::make_unique<Random>(seed);
    const std::vector<Step> steps = {&VolumeModel::create, &VolumeModel::create, &VolumeModel::write,
        &VolumeModel::write, &VolumeModel::write, &VolumeModel::write, &VolumeModel::truncate, &VolumeModel::truncate,
        &VolumeModel::allocate, &VolumeModel::punch, &VolumeModel::copy, &VolumeModel::unlink, &VolumeModel::rename,
        &VolumeModel::link, &VolumeModel::open_or_close, &VolumeModel::open_or_close, &VolumeModel::export_handles};
    std::ostringstream trace;
    for (unsigned index = 0; index < operations; ++index) {
        const bool is_faulty = with_faults && random_->below(3) == 0;
        if (is_faulty)
            simulation().plan_faults("*#" + std::to_string(1 + random_->below(12)) + "=" +
                                     (random_->below(2) == 0 ? "OUT_OF_MEMORY" : "NOT_PERMITTED"));
        bool succeeded = true;
        trace << index << (is_faulty ? " (fault) " : " ");
        trace << (this->*steps[random_->below(steps.size())])(succeeded);
        simulation().plan_faults("");
        trace << (succeeded ? "\n" : " FAILED\n");
        check_all();
        if (const auto file = existing()) check_file(*file);
        if (HasFatalFailure() || HasNonfatalFailure()) {
            FAIL() << "seed " << seed << (with_faults ? ", with faults" : "") << "\n" << trace.str();
        }
    }
    for (const auto &[name, file] : names_) check_file(*file);
}

TEST_F(VolumeModel, AgreesWithTheOracle) {
    run(number_of("GMEMFS_MODEL_SEED", 1), static_cast<unsigned>(number_of("GMEMFS_MODEL_ROUNDS", 600)), false);
}

TEST_F(VolumeModel, AgreesWithTheOracleWhenDriverCallsFail) {
    run(number_of("GMEMFS_MODEL_SEED", 2), static_cast<unsigned>(number_of("GMEMFS_MODEL_ROUNDS", 600)), true);
}

} // namespace
} // namespace gmemfs
