#include "tests/faults/world.hpp"

#include "ecc/parity/parity.hpp"
#include "tests/support/cold_files.hpp"

#include <algorithm>
#include <cstring>

namespace gmemfs::test {
namespace {

constexpr std::uint64_t kBuffer = 8 * MiB; // no file of the walk is longer
constexpr std::uint64_t kCapacity = 96 * MiB;
constexpr std::uint64_t kQuota = 64 * MiB;
constexpr std::uint64_t kEveryLookup = 1'000'000;

} // namespace

Bytes some_bytes(std::size_t size, unsigned seed) {
    Bytes bytes(size);
    fill_with_pattern(bytes, seed);
    return bytes;
}

World::World(KeeperThread *served, std::string folder, Shape shape)
    : served_(served), folder_(std::move(folder)), shape_(shape) {
    if (served_ == nullptr) local_ = std::make_unique<LocalKeeper>(Simulation::get().driver(), HandlePolicy::automatic);
}

World::~World() {
    inodes_.clear();
    volume_.reset();
}

Volume::Limits World::limits() const {
    return {.storage = {.capacity = kCapacity,
                .quotas = {{kUser, kQuota}},
                .verify_reads = shape_.parity,
                .host = host_.get(),
                .host_extent = 2 * MiB,
                .nvcomp = shape_.has_nvcomp ? simulated_nvcomp : nullptr},
        .files = 0,
        .protection = shape_.parity ? Protection::parity : Protection::none};
}

Result<void> World::connect() {
    if (served_ != nullptr) client_ = TRY(served_->client());
    Keeper *const keeper = served_ != nullptr ? static_cast<Keeper *>(client_.get()) : local_.get();
    keeper_ = std::make_unique<MortalKeeper>(*keeper);
    return {};
}

Result<void> World::start() {
    inodes_.clear(); // what a start that failed has left
    volume_.reset();
    keeper_.reset();
    client_.reset();
    journal_.reset();
    buffer_.reset();
    copiers_.reset();
    host_.reset();
    devices_.clear();
    const Driver &driver = Simulation::get().driver();
    std::vector<DeviceInfo> infos = { TRY(DeviceInfo::query(driver, 0)) };
    if (shape_.is_wide || shape_.two_devices) infos.push_back(TRY(DeviceInfo::query(driver, 1)));
    for (const DeviceInfo &info : infos) devices_.push_back(TRY(Device::open(driver, info)));
    if (shape_.has_host) host_ = TRY(Device::open(driver, TRY(DeviceInfo::query_host(driver, infos))));
    copiers_ = std::make_unique<Copiers>(TRY(Copiers::create(devices_)));
    buffer_ = std::make_unique<PinnedBuffer>(TRY(PinnedBuffer::create(*devices_.front(), kBuffer)));
    TRY(connect());
    VolumeState empty;
    empty.keeper_nonce = KeeperThread::kNonce;
    empty.ticket_secret = {1}; // without one, nobody knows who maps what was exported (Volume::restore)
    journal_ = TRY(Journal::create(folder_ + "/journal", empty));
    volume_ = std::make_unique<Volume>(*keeper_, devices_, limits(), Credentials{kUser, kUser, {}}, 0755, timespec{});
    volume_->record_in(journal_.get());
    TRY(volume_->record_root());
    if (shape_.two_devices) TRY(volume_->place(*volume_->names().root(), devices_.front().get()));
    if (shape_.is_wide)
        TRY(volume_->place(*volume_->names().root(), TRY(read_placement(volume_->storage(), "spread"))));
    if (shape_.parity) return volume_->storage().check_parity();
    return {};
}

void World::die() {
    keeper_->die();
    inodes_.clear();
    volume_.reset();
    journal_.reset();
    client_.reset();
}

Result<void> World::recover() {
    die();
    TRY(connect());
    const std::vector<Keeper::Held> held = TRY(keeper_->list());
    Journal::Opened opened = TRY(Journal::open(folder_ + "/journal"));
    EXPECT_EQ(opened.dropped, 0U);
    volume_ = std::make_unique<Volume>(*keeper_, devices_, limits(), Credentials{kUser, kUser, {}}, 0755, timespec{});
    journal_ = std::move(opened.journal);
    volume_->record_in(journal_.get());
    const Result<void> restored = volume_->restore(opened.state, held, Namespace::KernelMemory::none);
    if (!restored) die(); // as Survival has it: what a start that failed gives back is no loss of the keeper's
    if (restored) (void)volume_->prepare_codecs(); // as a server does, which only warns
    return restored;
}

Inode &World::inode(const std::string &name) {
    InodeRef &known = inodes_[name];
    if (!known) known = must(volume_->names().lookup(kRootInode, name));
    return *known;
}

Result<void> World::create(const std::string &name) {
    inodes_[name] = TRY(volume_->make_node(caller(), kRootInode, name, S_IFREG | 0644, 0));
    return {};
}

Result<void> World::write(const std::string &name, std::uint64_t offset, const Bytes &bytes) {
    const auto pinned = buffer_->bytes().first(bytes.size());
    std::memcpy(pinned.data(), bytes.data(), bytes.size());
    return volume_->write(caller(), inode(name), offset, pinned, File::By::call);
}

Result<Bytes> World::read(const std::string &name) {
    const std::uint64_t size = file(name).size();
    GMEMFS_ASSERT(size <= kBuffer);
    const auto pinned = buffer_->bytes().first(size);
    std::memset(pinned.data(), 0xEE, pinned.size());
    const std::size_t count = TRY(volume_->read(caller(), inode(name), 0, pinned, File::By::call));
    return Bytes(pinned.begin(), pinned.begin() + static_cast<std::ptrdiff_t>(count));
}

Result<Bytes> World::read_image(const std::string &name) {
    const std::unique_ptr<OpenImage> image = TRY(volume_->open_image(caller(), inode(name), File::ImageOf::any));
    GMEMFS_ASSERT(image->size() <= kBuffer);
    const auto pinned = buffer_->bytes().first(image->size());
    const std::size_t count = TRY(image->read(*copiers_, 0, pinned));
    return Bytes(pinned.begin(), pinned.begin() + static_cast<std::ptrdiff_t>(count));
}

void World::unlink(const std::string &name) {
    const InodeId id = inode(name).id();
    must(volume_->names().unlink(kRootInode, name, caller().now));
    inodes_.erase(name);
    volume_->names().forget(id, kEveryLookup);
    model.erase(name);
}

void World::remove_all() {
    while (!model.empty()) unlink(std::string(model.begin()->first));
    const Storage::Space space = volume_->storage().space();
    EXPECT_EQ(space.used, 0U);
    EXPECT_EQ(space.shared.extents, 0U);
    // What parity engine and packer have for themselves stays until the mount ends.
    std::uint64_t held = 0;
    for (const Keeper::Held &each : must(keeper_->list())) held += each.size;
    EXPECT_EQ(held, volume_->storage().parity_use().held + volume_->storage().held_by_packers());
}

void World::believe(const std::string &name, std::uint64_t from, std::uint64_t to) {
    Bytes &bytes = model.at(name);
    const Bytes found = must(read(name));
    ASSERT_EQ(found.size(), bytes.size()) << name << ": a step that failed has changed its size";
    for (std::uint64_t at = from; at < std::min<std::uint64_t>(to, bytes.size()); ++at) bytes[at] = found[at];
}

void World::check() {
    if (!volume_) return; // it couldn't be made, or restored: the server would have ended
    for (const auto &[name, bytes] : model) {
        ASSERT_EQ(file(name).size(), bytes.size()) << name;
        // A failure has left it open; what is there now counts, and is verified when it is read.
        if (shape_.parity && file(name).parity_state() == ParityState::open) must(file(name).seal());
        if (shape_.parity && file(name).allocated() > 0) {
            ASSERT_EQ(file(name).parity_state(), ParityState::current) << name;
            // Parity that fits other bytes would make them of these, too.
            const auto mode = shape_.damaged ? ParityMode::repair : ParityMode::verify;
            const BlockReport report = must(file(name).check_parity(mode, 0, bytes.size()));
            ASSERT_TRUE(shape_.damaged ? report.left_wrong.empty() : report.clean()) << name;
        }
        const Bytes found = must(read(name));
        // memcmp, because a comparison of bytes one by one, not optimized, is a tenth of the walk.
        ASSERT_TRUE(found.size() == bytes.size() && std::memcmp(found.data(), bytes.data(), bytes.size()) == 0)
            << name << ": wrong from byte " << std::ranges::mismatch(found, bytes).in1 - found.begin() << " of "
            << bytes.size();
    }
    check_accounts();
}

// df, quotas and what the keeper holds: each is the sum of what the files have.
void World::check_accounts() {
    const Storage::Space space = volume_->storage().space();
    std::uint64_t files = 0, in_host = 0, wholes = 0, parities = 0;
    for (const auto &[name, bytes] : model) {
        if (file(name).is_offloaded())
            in_host += file(name).allocated();
        else
            files += file(name).allocated();
        files += file(name).replica_bytes();
        if (!file(name).is_shared()) wholes += file(name).allocated() + file(name).replica_bytes();
        if (shape_.parity) parities += Parity::size_of(file(name).allocated());
    }
    ASSERT_EQ(space.used, files + parities + space.shared.extents - space.shared.slots);
    const std::uint64_t reserve = volume_->storage().host_space().reserve;
    ASSERT_EQ(volume_->storage().host_space().used, in_host + reserve);
    ASSERT_EQ(volume_->storage().quotas().report().at(kUser).used, files + in_host);
    ASSERT_EQ(volume_->names().count(), model.size() + 1);
    std::uint64_t held = 0;
    for (const Keeper::Held &each : must(keeper_->list())) held += each.size;
    const std::uint64_t tables = volume_->storage().parity_use().held + volume_->storage().held_by_packers();
    ASSERT_EQ(held, wholes + space.shared.extents + tables + reserve) << "an extent leaked";
}

} // namespace gmemfs::test
