// Ops, names: looking up, making, linking, moving and removing names; reading directories; forgetting.
#include "fuse/ops/ops.hpp"
#include "fuse/session/worker.hpp"

#include <linux/fs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gmemfs {
namespace {

// Answers with an entry that counts as one lookup; takes the lookup back where nobody took the answer.
void answer_entry(Reply &reply, const Result<InodeRef> &inode) {
    if (!inode) return reply.error(inode.error());
    const InodeId id = (*inode)->id();
    if (!reply.entry((*inode)->attributes())) reply.volume().names().forget(id, 1);
}

// A request that makes a name: answered with the entry that `make` returns; asked again, with the one that is there.
template <typename Make>
void serve_new_name(fuse_req_t request, Op op, fuse_ino_t parent, const char *name, Make make) {
    Reply reply(request, op, parent);
    answer_entry(reply, reply.server().was_done() ? reply.volume().names().lookup(parent, name) : make(reply));
}

// A request that would fail the second time: asked again, it is only answered.
template <typename Change>
void serve_once(fuse_req_t request, Op op, fuse_ino_t parent, Change change) {
    Reply reply(request, op, parent);
    reply.result(reply.server().was_done() ? Result<void>() : change(reply));
}

// The entries of a directory as the kernel wants them, filled up to the size that it asked for.
class EntryBuffer {
public:
    enum class Kind { names, names_and_attributes };
    EntryBuffer(const Reply &reply, std::size_t size, Kind kind) : reply_(reply), bytes_(size), kind_(kind) {}

    Namespace::Visit add(const Namespace::Entry &entry) {
        const std::string name(entry.name); // libfuse wants a zero at the end
        const auto cookie = static_cast<off_t>(entry.cookie);
        const Attributes attributes = entry.inode.attributes();
        const bool is_dots = entry.name == "." || entry.name == "..";
        std::size_t size = 0;
        if (kind_ == Kind::names) {
            const struct stat status = reply_.to_stat(attributes);
            size = fuse_add_direntry(
                reply_.request(), bytes_.data() + used_, bytes_.size() - used_, name.c_str(), &status, cookie);
        } else {
            fuse_entry_param param = reply_.to_entry(attributes);
            if (is_dots) param.ino = 0; // no lookup: the kernel takes no reference to these
            size = fuse_add_direntry_plus(
                reply_.request(), bytes_.data() + used_, bytes_.size() - used_, name.c_str(), &param, cookie);
        }
        if (size > bytes_.size() - used_) return Namespace::Visit::stop;
        used_ += size;
        if (kind_ == Kind::names || is_dots) return Namespace::Visit::next;
        looked_up_.push_back(attributes.id);
        return Namespace::Visit::next_and_lookup;
    }
    std::span<const char> bytes() const { return {bytes_.data(), used_}; }
    const std::vector<InodeId> &looked_up() const { return looked_up_; }

private:
    const Reply &reply_;
    std::vector<char> bytes_;
    Kind kind_;
    std::size_t used_ = 0;
    std::vector<InodeId> looked_up_;
};

void read_directory(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, const fuse_file_info &file,
    EntryBuffer::Kind kind) {
    Reply reply(request, Op::readdir, ino);
    EntryBuffer buffer(reply, std::min(size, kRequestMax), kind);
    Namespace &names = reply.volume().names();
    const std::uint64_t last = reply.server().opens().last_cookie(file.fh, offset, names.last_cookie());
    const Result<void> listed = names.list(ino, static_cast<std::uint64_t>(offset), last,
        [&](const Namespace::Entry &entry) { return buffer.add(entry); });
    if (!listed) return reply.error(listed.error());
    if (reply.entries(buffer.bytes())) return;
    for (const InodeId id : buffer.looked_up()) names.forget(id, 1);
}

} // namespace

void op_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    Reply reply(request, Op::lookup, parent);
    const Result<InodeRef> inode = reply.volume().names().lookup(parent, name);
    // That the socket isn't there yet is nothing to remember.
    if (!inode && inode.error().code == ENOENT && name != kHiddenName) return reply.no_entry();
    answer_entry(reply, inode);
}

void op_forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) {
    Reply reply(request, Op::forget, ino);
    reply.volume().names().forget(ino, lookups);
    reply.server().forgotten();
    reply.none();
}

void op_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data *forgets) {
    Reply reply(request, Op::forget, 0);
    for (const fuse_forget_data &forget : std::span(forgets, count))
        reply.volume().names().forget(forget.ino, forget.nlookup);
    reply.server().forgotten();
    reply.none();
}

void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t number) {
    serve_new_name(request, Op::mknod, parent, name, [&](Reply &reply) {
        const Caller caller = caller_of(reply);
        if (name == kHiddenName &&
            fuse_req_ctx(request)->pid == ::getpid()) { // the broker's bind(2), on the main thread
            // Whoever finds the socket may connect: the broker checks each file's mode itself.
            const mode_t everybody = S_IFSOCK | 0666;
            return reply.volume().names().create_hidden(everybody, caller.who, caller.now);
        }
        return reply.volume().make_node(caller, parent, name, mode, number);
    });
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    serve_new_name(request, Op::mkdir, parent, name,
        [&](Reply &reply) { return reply.volume().make_directory(caller_of(reply), parent, name, mode); });
}

void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name) {
    serve_new_name(request, Op::symlink, parent, name,
        [&](Reply &reply) { return reply.volume().make_symlink(caller_of(reply), parent, name, target); });
}

void op_link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
    serve_new_name(request, Op::link, parent, name,
        [&](Reply &reply) { return reply.volume().names().link(ino, parent, name, caller_of(reply).at()); });
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    serve_once(request, Op::unlink, parent,
        [&](Reply &reply) { return reply.volume().names().unlink(parent, name, caller_of(reply).at()); });
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    serve_once(request, Op::rmdir, parent,
        [&](Reply &reply) { return reply.volume().names().rmdir(parent, name, caller_of(reply).at()); });
}

void op_rename(fuse_req_t request, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
    unsigned flags) {
    serve_once(request, Op::rename, parent, [&](Reply &reply) -> Result<void> {
        Namespace &names = reply.volume().names();
        const Caller caller = caller_of(reply);
        Namespace::RenameMode mode = Namespace::RenameMode::replace;
        const unsigned kind = flags & ~unsigned(RENAME_WHITEOUT);
        if (kind == RENAME_NOREPLACE)
            mode = Namespace::RenameMode::no_replace;
        else if (kind == RENAME_EXCHANGE && flags == kind)
            mode = Namespace::RenameMode::exchange;
        else if (kind != 0)
            return Error{EINVAL, 0, "rename"};
        if ((flags & RENAME_WHITEOUT) != 0)
            return names.rename_with_whiteout(parent, name, new_parent, new_name, mode, caller.who, caller.at());
        return names.rename(parent, name, new_parent, new_name, mode, caller.at());
    });
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, fuse_file_info *file) {
    serve(request, Op::create, parent, [&](Reply &reply) -> Result<void> {
        Volume &volume = reply.volume();
        OpenFiles &opens = reply.server().opens();
        const Caller caller = caller_of(reply);
        const bool has_no_name = Worker::current().dialect().wants_no_name(); // O_TMPFILE
        const InodeRef inode =
            TRY(has_no_name                 ? volume.make_unnamed(caller, parent, mode & 07777)
                : reply.server().was_done() ? volume.names().lookup(parent, name)
                                            : volume.make_node(caller, parent, name, S_IFREG | (mode & 07777), 0));
        const Result<void> opened = volume.open(caller, *inode, Volume::OpenMode::keep);
        if (!opened) {
            volume.names().forget(inode->id(), 1);
            return opened;
        }
        const std::uint64_t handle = opens.add(inode);
        if (reply.created(inode->attributes(), handle, file->flags)) return {};
        opens.remove(handle);
        (void)volume.close(caller, *inode); // nothing was written through it
        volume.names().forget(inode->id(), 1);
        return {};
    });
}

void op_opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    serve(request, Op::opendir, ino, [&](Reply &reply) -> Result<void> {
        OpenFiles &opens = reply.server().opens();
        const std::uint64_t handle = opens.add(TRY(reply.volume().names().find(ino)));
        if (!reply.opened(handle, file->flags)) opens.remove(handle);
        return {};
    });
}

void op_readdir(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file) {
    read_directory(request, ino, size, offset, *file, EntryBuffer::Kind::names);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset, fuse_file_info *file) {
    read_directory(request, ino, size, offset, *file, EntryBuffer::Kind::names_and_attributes);
}

void op_releasedir(fuse_req_t request, fuse_ino_t ino, fuse_file_info *file) {
    Reply reply(request, Op::releasedir, ino);
    reply.server().opens().remove(file->fh);
    reply.done();
}

} // namespace gmemfs
