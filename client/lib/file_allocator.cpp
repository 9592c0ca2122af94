#include "client/lib/file_allocator.hpp"

#include "client/lib/attaching.hpp"
#include "vmm/base/units.hpp"

#include <cstdio>
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
    return Block{*std::move(mapping), name};
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
    const Result<void> unmapped = block.mapping->unmap();
    remove(block.name);
    return unmapped;
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
