#include "pool/memory/imports.hpp"

#include "client/lib/device_wait.hpp"
#include "pool/fit/fit.hpp"
#include "pool/memory/exports.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <fcntl.h>
#include <iterator>
#include <string_view>
#include <unistd.h>

namespace gmemfs::pool {
namespace {

Error stale(const char *why) { return Error{ESTALE, 0, "open another process's memory", why}; }

constexpr char kGone[] = "the process that has it isn't there any more, or runs where this one doesn't see it";

} // namespace

/// Another process's extent, mapped. Its destructor unmaps it, and ends the lease.
class Imports::Extent {
public:
    Extent(client::AddressRange range, std::shared_ptr<client::Connection> connection, std::uint64_t lease)
        : range_(std::in_place, std::move(range)), connection_(std::move(connection)), lease_(lease) {}
    ~Extent() {
        range_.reset();
        (void)connection_->release(lease_, "another process's memory");
    }
    Extent(const Extent &) = delete;
    Extent &operator=(const Extent &) = delete;
    const client::AddressRange &range() const { return *range_; }

private:
    std::optional<client::AddressRange> range_;
    const std::shared_ptr<client::Connection> connection_;
    const std::uint64_t lease_;
};

/// Another process's table of exports.
class Imports::Exporter {
public:
    explicit Exporter(Fd file) : file_(std::move(file)) {}

    struct Place {
        std::uint64_t key = 0, offset = 0, size = 0;
    };
    /// What is in a slot that is locked.
    Place read(std::uint32_t slot) const {
        Place place;
        const ssize_t size =
            ::pread(file_.get(), &place, sizeof place, static_cast<off_t>(ExportTable::place_of(slot)));
        return size == sizeof place ? place : Place();
    }
    bool lock(std::uint32_t slot) const { return set(slot, F_RDLCK); }
    void unlock(std::uint32_t slot) const { (void)set(slot, F_UNLCK); }

private:
    bool set(std::uint32_t slot, short type) const {
        struct flock lock = {};
        lock.l_type = type;
        lock.l_whence = SEEK_SET;
        lock.l_start = static_cast<off_t>(ExportTable::place_of(slot));
        lock.l_len = 1;
        return ::fcntl(file_.get(), F_OFD_SETLK, &lock) == 0;
    }
    const Fd file_;
};

std::optional<CUdeviceptr> Imports::open_again(const Name &name) {
    const Hold hold(mutex_);
    for (auto &[address, open] : open_)
        if (open.name == name) return ++open.count, address;
    return std::nullopt;
}

// The broker looks at who asks, and at the file's mode.
Result<std::shared_ptr<Imports::Extent>> Imports::map(const protocol::Ticket &ticket) {
    if (std::shared_ptr<Extent> known = extents_[ticket].lock()) return known;
    const std::string path = "memory of another process";
    const Fd folder(::open(directory_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return Error{errno, 0, "open directory", directory_};
    using Mapped = Result<std::shared_ptr<Extent>>;
    Mapped mapped =
        client::on_connection(folder, path, [&](const std::shared_ptr<client::Connection> &connection) -> Mapped {
            client::Attached attached = TRY(connection->use([&](client::BrokerSession &session) {
                return session.attach(ticket, path, protocol::kDescriptor, protocol::kWriteLease);
            }));
            const client::Reach all = {client::Reach::Kind::all, {}};
            Result<client::AddressRange> range =
                client::AddressRange::create(driver_, devices_, attached, client::Access::write, all, 0);
            if (!range) {
                (void)connection->release(attached.lease, path);
                return Error(range.error());
            }
            return std::make_shared<Extent>(*std::move(range), connection, attached.lease);
        });
    if (mapped) extents_[ticket] = *mapped;
    return mapped;
}

// The link is read before anything is opened: made-up bytes may point to anything.
Result<std::shared_ptr<Imports::Exporter>> Imports::meet(const IpcHandle &handle) {
    if (std::shared_ptr<Exporter> known = exporters_[handle.cookie].lock()) return known;
    const std::string link = "/proc/" + std::to_string(handle.pid) + "/fd/" + std::to_string(handle.table);
    std::array<char, 64> target = {};
    const bool is_table = ::readlink(link.c_str(), target.data(), target.size() - 1) > 0 &&
                          std::string_view(target.data()).starts_with(std::string("/memfd:") + ExportTable::kName);
    Fd file(is_table ? ::open(link.c_str(), O_RDONLY | O_CLOEXEC) : -1);
    std::uint64_t head[2] = {}; // magic, cookie
    const bool is_its = file && ::pread(file.get(), head, sizeof head, 0) == sizeof head &&
                        head[0] == ExportTable::kMagic && head[1] == handle.cookie;
    if (!is_its) return Error{ESRCH, 0, "open another process's memory", kGone};
    auto met = std::make_shared<Exporter>(std::move(file));
    exporters_[handle.cookie] = met;
    return met;
}

Result<CUdeviceptr> Imports::open(const IpcHandle &handle, CUcontext context) {
    const Hold opening(opening_);
    const Name name = {handle.cookie, handle.key};
    if (const std::optional<CUdeviceptr> known = open_again(name)) return *known;
    if (handle.slot == 0 || handle.slot >= ExportTable::kSlots || handle.reserved != 0 || handle.key == 0)
        return stale("its handle is damaged");
    std::shared_ptr<Extent> extent = TRY(map(handle.ticket));
    std::shared_ptr<Exporter> exporter = TRY(meet(handle));
    { // A slot has one lock a process, and so one block: of two that name it, one has been freed.
        const Hold hold(mutex_);
        for (const auto &[address, open] : open_)
            if (open.name.first == handle.cookie && open.slot == handle.slot) return stale("it has been freed");
    }
    if (!exporter->lock(handle.slot)) return Error{errno, 0, "lock another process's memory"};
    const Exporter::Place place = exporter->read(handle.slot);
    const std::uint64_t end = extent->range().size();
    const bool is_there = place.key == handle.key && place.size != 0 && place.size <= end &&
                          place.offset <= end - place.size && place.offset % kUnit == 0;
    if (!is_there) {
        exporter->unlock(handle.slot);
        return stale("it has been freed");
    }
    const CUdeviceptr address = extent->range().address() + place.offset;
    const Hold hold(mutex_);
    const Block block = {address, place.size, context, next_serial_++};
    if (!open_.emplace(address, Open{name, block, 1, handle.slot, exporter, std::move(extent)}).second) {
        exporter->unlock(handle.slot);
        return stale("its handle is damaged");
    }
    return address;
}

Result<bool> Imports::close(CUdeviceptr address) {
    const Hold opening(opening_);
    std::optional<Open> last;
    {
        const Hold hold(mutex_);
        const auto found = open_.find(address);
        if (found == open_.end()) return false;
        if (--found->second.count != 0) return true;
        last = std::move(found->second);
        open_.erase(found);
    }
    Result<void> waited;
    {
        const client::RelaxedCapture relaxed(driver_);
        waited = client::wait_for_devices(driver_, last->extent->range().devices());
    }
    last->extent.reset();
    last->exporter->unlock(last->slot); // nothing of this process uses the block any more
    last->exporter.reset();
    std::erase_if(extents_, [](const auto &known) { return known.second.expired(); });
    std::erase_if(exporters_, [](const auto &known) { return known.second.expired(); });
    if (!waited) return Error(waited.error());
    return true;
}

std::optional<Imports::Block> Imports::find(CUdeviceptr address) {
    const Hold hold(mutex_);
    const auto after = open_.upper_bound(address);
    if (after == open_.begin()) return std::nullopt;
    const Block &block = std::prev(after)->second.block;
    return address - block.address < block.size ? std::optional(block) : std::nullopt;
}

} // namespace gmemfs::pool
