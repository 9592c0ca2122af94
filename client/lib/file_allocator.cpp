#include "client/lib/file_allocator.hpp"

#include "client/lib/attaching.hpp"
#include "client/wire/file_control.hpp"
#include "vmm/base/units.hpp"

#include <cstdio>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utility>

namespace gmemfs::client {

Result<std::shared_ptr<FileAllocator>> FileAllocator::create(const char *directory, const char *library) {
    return std::make_shared<FileAllocator>(TRY(open_directory(directory, library)));
}

Result<CUdeviceptr> FileAllocator::allocate(std::uint64_t size, int device) {
    const DeviceInfo *found = nullptr;
    for (const DeviceInfo &each : directory_->devices->all)
        if (each.ordinal == device) found = &each;
    if (found == nullptr || size == 0)
        return Error{found == nullptr ? ENODEV : EINVAL, 0, "allocate in files",
            directory_->path + ": " + format_size(size) + " on device " + std::to_string(device)};
    char name[64];
    {
        const Hold hold(mutex_);
        std::snprintf(name, sizeof name, "block-%d-%06u", static_cast<int>(::getpid()), next_++);
    }
    Block block = TRY(make(name, size, *found));
    const CUdeviceptr address = block.mapping->info().address;
    const Hold hold(mutex_);
    blocks_.emplace(address, std::move(block));
    return address;
}

Result<FileAllocator::Block> FileAllocator::make(
    const std::string &name, std::uint64_t size, const DeviceInfo &device) const {
    const std::string path = directory_->path + "/" + name;
    gmemfs_open_options options = {};
    options.flags = GMEMFS_CREATE | GMEMFS_EXCLUSIVE;
    const std::shared_ptr<OpenedPath> file = TRY(open_file(path.c_str(), options));
    const auto fill = [&]() -> Result<std::shared_ptr<FileMapping>> {
        const std::string uuid = device.uuid_text();
        if (::fsetxattr(file->fd.get(), "user.gmemfs.device", uuid.data(), uuid.size(), 0) != 0)
            return Error{errno, 0, "place file", path + ": device " + std::to_string(device.ordinal) + ", " + uuid};
        if (::ftruncate(file->fd.get(), static_cast<off_t>(size)) != 0)
            return Error{errno, 0, "allocate device memory", path + ": " + format_size(size)};
        return map_file(*file, {});
    };
    Result<std::shared_ptr<FileMapping>> mapping = fill();
    if (!mapping) {
        remove(name);
        return Error(mapping.error());
    }
    std::shared_ptr<const Addresses> addresses = (*mapping)->addresses();
    return Block{file, *std::move(mapping), std::move(addresses), size, name};
}

// By the directory that was opened, whatever has its path by now.
void FileAllocator::remove(const std::string &name) const {
    if (!name.empty()) (void)::unlinkat(directory_->fd.get(), name.c_str(), 0); // somebody else may have
}

Result<void> FileAllocator::free(CUdeviceptr address) {
    Block block;
    {
        const Hold hold(mutex_);
        const auto found = blocks_.find(address);
        if (found == blocks_.end()) return Error{EINVAL, 0, "free in files", directory_->path + ": no such block"};
        block = std::move(found->second);
        blocks_.erase(found);
    }
    Result<void> unmapped = block.mapping ? block.mapping->unmap() : Result<void>();
    remove(block.name);
    return unmapped;
}

Result<void> FileAllocator::put_away(const Block &block, Contents contents) {
    if (contents == Contents::drop) {
        if (::ftruncate(block.file->fd.get(), 0) == 0) return {};
        return Error{errno, 0, "give memory back", block.file->path};
    }
    cold_control::ColdState state;
    if (::ioctl(block.file->fd.get(), cold_control::kOffload, &state) == 0) return {};
    return Error{errno, 0, "put into host memory", block.file->path};
}

Result<void> FileAllocator::bring_back(Block &block) {
    if (block.mapping != nullptr) return {};
    struct stat status = {};
    if (::fstat(block.file->fd.get(), &status) != 0) return Error{errno, 0, "stat file", block.file->path};
    const bool is_dropped = status.st_size == 0;
    if (is_dropped && ::ftruncate(block.file->fd.get(), static_cast<off_t>(block.size)) != 0)
        return Error{errno, 0, "allocate device memory", block.file->path + ": " + format_size(block.size)};
    block.mapping = TRY(map_file_at(*block.file, {}, block.addresses)); // which wakes it
    return {};
}

Result<void> FileAllocator::pause(Contents contents) {
    Result<void> result;
    {
        const Hold hold(mutex_);
        for (auto &[address, block] : blocks_) {
            if (block.mapping == nullptr) continue;
            result = std::exchange(block.mapping, nullptr)->unmap();
            if (result) result = put_away(block, contents);
            if (!result) break;
        }
    }
    if (!result) (void)resume(); // the first error is the one to tell
    return result;
}

Result<void> FileAllocator::resume() {
    const Hold hold(mutex_);
    for (auto &[address, block] : blocks_) TRY(bring_back(block));
    return {};
}

void FileAllocator::close() {
    const Hold hold(mutex_);
    for (auto &[address, block] : blocks_) remove(std::exchange(block.name, {}));
}

bool FileAllocator::has_blocks() {
    const Hold hold(mutex_);
    return !blocks_.empty();
}

} // namespace gmemfs::client
