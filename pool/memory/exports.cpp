#include "pool/memory/exports.hpp"

#include "vmm/base/secret.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace gmemfs::pool {

Result<void> Exports::make_table() {
    if (table_ != nullptr) return {};
    const Secret random = TRY(make_secret());
    Fd file(::memfd_create(ExportTable::kName, MFD_CLOEXEC));
    if (!file || ::ftruncate(file.get(), sizeof(ExportTable)) != 0) return Error{errno, 0, "make the table of exports"};
    void *const mapped = ::mmap(nullptr, sizeof(ExportTable), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (mapped == MAP_FAILED) return Error{errno, 0, "make the table of exports"};
    table_ = static_cast<ExportTable *>(mapped); // of zeros, as slots begin
    std::memcpy(&table_->cookie, random.data(), sizeof table_->cookie);
    table_->magic = ExportTable::kMagic;
    file_ = std::move(file);
    return {};
}

Result<Exports::Slot> Exports::add(std::uint64_t offset, std::uint64_t size) {
    const Hold hold(mutex_);
    TRY(make_table());
    const auto unused =
        std::find_if(dropped_.begin(), dropped_.end(), [this](Slot slot) REQUIRES(mutex_) { return !is_locked(slot); });
    Slot slot = 0;
    if (unused != dropped_.end()) {
        slot = *unused;
        dropped_.erase(unused);
    } else if (next_slot_ < ExportTable::kSlots) {
        slot = next_slot_++;
    } else {
        return Error{EUSERS, 0, "export memory", "65,535 blocks are exported already"};
    }
    ExportTable::Slot &entry = table_->slots[slot];
    entry.offset = offset;
    entry.size = size;
    entry.key = next_key_++;
    return slot;
}

IpcHandle Exports::handle(Slot slot, const protocol::Ticket &ticket) {
    const Hold hold(mutex_);
    return {IpcHandle::kMagic, ticket, ::getpid(), file_.get(), slot, 0, table_->cookie, table_->slots[slot].key};
}

void Exports::revoke(Slot slot) {
    const Hold hold(mutex_);
    table_->slots[slot].key = 0;
}

bool Exports::is_locked(Slot slot) const {
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(ExportTable::place_of(slot));
    lock.l_len = 1;
    return ::fcntl(file_.get(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

bool Exports::is_open(Slot slot) {
    const Hold hold(mutex_);
    return is_locked(slot);
}

void Exports::drop(Slot slot) {
    const Hold hold(mutex_);
    dropped_.push_back(slot);
}

bool Exports::is_own(const IpcHandle &handle) {
    const Hold hold(mutex_);
    return table_ != nullptr && handle.cookie == table_->cookie;
}

} // namespace gmemfs::pool
