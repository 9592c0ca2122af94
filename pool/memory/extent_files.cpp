#include "pool/memory/extent_files.hpp"

#include "client/wire/protocol.hpp"
#include "pool/memory/figures.hpp"
#include "vmm/base/units.hpp"

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs::pool {
namespace {

constexpr int kFoldersTried = 100; // of a process number that is used again, whose files were kept

// Read now, while the name surely is the new file's.
std::optional<protocol::Ticket> ticket_of(const Fd &folder, const std::string &name) {
    const Fd file(::openat(folder.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    protocol::Ticket ticket = {};
    const Result<std::string> bytes =
        file ? client::read_attribute(file, protocol::kTicketAttribute) : Result<std::string>(Error{errno, 0, "open"});
    if (!bytes || bytes->size() != ticket.size()) return std::nullopt;
    std::copy(bytes->begin(), bytes->end(), ticket.begin());
    return ticket;
}

} // namespace

ExtentFiles::ExtentFiles(std::string directory, AtEnd at_end) : directory_(std::move(directory)), at_end_(at_end) {}

ExtentFiles::~ExtentFiles() {
    const Hold hold(mutex_);
    if (!path_.empty()) (void)::rmdir(path_.c_str());
}

ExtentFiles::Listed::~Listed() { (void)connection_->release(lease_, path_); }

Result<void> ExtentFiles::open_folder() {
    if (folder_) return {};
    const std::string name =
        directory_ + "/" + program_invocation_short_name + "." + std::to_string(::getpid()); // NOLINT: glibc's
    for (int number = 1; number <= kFoldersTried; ++number) {
        path_ = number == 1 ? name : name + "-" + std::to_string(number);
        if (::mkdir(path_.c_str(), 0700) != 0) {
            if (errno == EEXIST) continue;
            return Error{errno, 0, "make directory", std::exchange(path_, "")};
        }
        folder_ = Fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat status = {};
        if (!folder_ || ::fstat(folder_.get(), &status) != 0) return Error{errno, 0, "open directory", path_};
        own_figures().folder = status.st_ino;
        return {};
    }
    return Error{EEXIST, 0, "make directory", std::exchange(path_, "")};
}

std::string ExtentFiles::next_name(Kind kind, std::uint64_t size) {
    if (kind == Kind::arena) return "arena-" + std::to_string(arenas_++);
    char number[16];
    std::snprintf(number, sizeof number, "%06u", allocations_++);
    std::string words = format_size(size);
    std::erase(words, ' ');
    return std::string("alloc-") + number + "-" + words;
}

Result<std::unique_ptr<ExtentFiles::Listed>> ExtentFiles::donate(
    const std::string &name, const DeviceInfo &device, std::uint64_t size, const Fd &memory) {
    TRY(open_folder());
    const std::uint32_t flags = protocol::kOwnDirectory | (at_end_ == AtEnd::keep ? protocol::kKeepAtEnd : 0);
    const std::string path = path_ + "/" + name;
    const Fd &folder = folder_; // the lock is held for as long as this runs
    return client::on_connection(
        folder, path, [&](const std::shared_ptr<client::Connection> &connection) -> Result<std::unique_ptr<Listed>> {
            const std::uint64_t lease = TRY(connection->use([&](client::BrokerSession &session) {
                return session.donate(
                    folder, path, protocol::make_donation(device.uuid, size, flags, name), {memory, blocks_.file()});
            }));
            return std::make_unique<Listed>(connection, lease, path, blocks_.add(lease), ticket_of(folder, name));
        });
}

Result<std::unique_ptr<ExtentFiles::Listed>> ExtentFiles::add(
    Kind kind, const DeviceInfo &device, std::uint64_t size, const Fd &memory) {
    const Hold hold(mutex_);
    Result<std::unique_ptr<Listed>> listed = donate(next_name(kind, size), device, size, memory);
    if (listed || is_no_room(listed.error())) return listed;
    if (!has_complained_)
        std::fprintf(stderr, "gmemfs run: %s; the program goes on, and what can't be listed is no file\n",
            listed.error().text().c_str());
    has_complained_ = true;
    return std::unique_ptr<Listed>();
}

} // namespace gmemfs::pool
