// World: a volume with its devices, keeper and journal, beside a model of plain bytes, for the walk through all faults.
//
// It is what a server is made of, less FUSE: so it can be made, fail, die and be restored thousands of times in a
// process.
#pragma once

#include "fuse/core/journal/journal.hpp"
#include "fuse/core/volume.hpp"
#include "tests/support/keeper_thread.hpp"
#include "tests/support/simulation.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gmemfs::test {

using Bytes = std::vector<std::byte>;

/// Passes everything on, until the server is to die: from then on what its end gives back doesn't reach the keeper.
class MortalKeeper final : public Keeper {
public:
    explicit MortalKeeper(Keeper &keeper) : keeper_(keeper) {}
    void die() { is_dead_ = true; }

    Result<Id> create(const DeviceInfo &device, std::uint64_t size) override { return keeper_.create(device, size); }
    Result<Id> donate(const DeviceInfo &device, std::uint64_t size, Fd memory) override {
        return keeper_.donate(device, size, std::move(memory));
    }
    Result<Mapping> map(Id id, std::uint64_t size) override { return keeper_.map(id, size); }
    void release(Id id) override {
        if (!is_dead_) keeper_.release(id);
    }
    bool has_fabric(Id id) override { return keeper_.has_fabric(id); }
    Result<FabricHandle> export_fabric(Id id) override { return keeper_.export_fabric(id); }
    Result<Fd> export_fd(Id id) override { return keeper_.export_fd(id); }
    Result<std::vector<Held>> list() override { return keeper_.list(); }

private:
    Keeper &keeper_;
    bool is_dead_ = false;
};

/// Not thread-safe. One device, or two; quotas, no thread but the keeper's where there is one.
class World {
public:
    struct Shape {
        bool parity = false;      ///< of all files, verified at each read
        bool damaged = false;     ///< some of it, by a step, and mended by another
        bool has_host = false;    ///< host memory, in extents of 2 MiB
        bool is_wide = false;     ///< two devices, and each file is spread over them
        bool two_devices = false; ///< each file is on the first
        bool has_nvcomp = false;  ///< the simulated one, which calls the driver, too
    };
    /// `served` is the keeper's process; null: the world owns its memory. `folder` is where the journal is.
    World(KeeperThread *served, std::string folder, Shape shape);
    ~World();
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    /// Device, copiers, pinned memory, keeper, volume. After an Error it can be called again.
    Result<void> start();
    /// The server dies, and another one takes over what the keeper and the journal have. After an Error, again.
    Result<void> recover();
    /// All files are removed; the keeper holds nothing.
    void remove_all();

    Volume &volume() { return *volume_; }
    Caller caller() { return {Credentials{kUser, kUser, {}}, timespec{++second_, 0}, *copiers_}; }
    static constexpr uid_t kUser = 1000; // who has a quota

    /// The inode of a name; it has to be there.
    Inode &inode(const std::string &name);
    File &file(const std::string &name) { return *inode(name).file(); }
    Result<void> create(const std::string &name);
    Result<void> write(const std::string &name, std::uint64_t offset, const Bytes &bytes);
    /// The whole file.
    Result<Bytes> read(const std::string &name);
    Result<Bytes> read_image(const std::string &name); ///< which is made where the file is plain
    void unlink(const std::string &name);

    /// What each file must hold.
    std::map<std::string, Bytes> model;
    /// Whatever holds anything after a step that failed is taken as right from here on.
    void believe(const std::string &name, std::uint64_t from, std::uint64_t to);
    /// Fails the test where the volume, its accounts or the keeper differ from the model.
    void check();

private:
    void die();
    void check_accounts();
    Volume::Limits limits() const;
    Result<void> connect();

    KeeperThread *const served_;
    const std::string folder_;
    const Shape shape_;
    std::vector<std::unique_ptr<Device>> devices_;
    std::unique_ptr<Device> host_;
    std::unique_ptr<Copiers> copiers_;
    std::unique_ptr<PinnedBuffer> buffer_;
    std::unique_ptr<LocalKeeper> local_;
    std::unique_ptr<KeeperClient> client_;
    std::unique_ptr<MortalKeeper> keeper_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<Volume> volume_;
    std::map<std::string, InodeRef> inodes_;
    time_t second_ = 1;
};

/// Bytes that depend on `seed` and the place.
Bytes some_bytes(std::size_t size, unsigned seed);

} // namespace gmemfs::test
