"""Model: a filesystem in memory, as simple as can be, that says what each step must give."""
import errno
import os
import stat

from steps import COLLAPSE_RANGE, EXCHANGE, HOLE, INSERT_RANGE, KEEP_SIZE, NOREPLACE, PUNCH_HOLE, ZERO_RANGE, data
from worker import digest

LINKS_FOLLOWED_MAX = 40


class Inode:
    def __init__(self, kind, mode, content=None):
        self.kind, self.mode, self.links, self.xattrs = kind, mode, 1, {}
        self.content = content  # a file's bytearray, a directory's dict, a symbolic link's target
        self.parent = None      # of a directory

    def describe(self):
        if self.kind == stat.S_IFDIR:
            below = sum(entry.kind == stat.S_IFDIR for entry in self.content.values())
            return self.kind, self.mode, below + 2, 0
        return self.kind, self.mode, self.links, len(self.content)


class Open:
    def __init__(self, inode, flags):
        self.inode, self.offset = inode, 0
        access = flags & os.O_ACCMODE
        self.reads, self.writes = access != os.O_WRONLY, access != os.O_RDONLY
        self.appends = bool(flags & os.O_APPEND)


def fail(code):
    raise OSError(code, "")


class Model:
    def __init__(self):
        self.root = Inode(stat.S_IFDIR, 0o755, {})
        self.root.parent = self.root
        self.slots = {}
        self.process = 0

    def do(self, step):
        """The result of the step, or a function that says what is wrong with a result, where several are right."""
        self.process = step[0]
        try:
            result = getattr(self, step[1])(*step[2:])
            return result if callable(result) else ("OK", *result)
        except OSError as error:
            return (errno.errorcode[error.errno],)

    # ---- names

    def walk(self, path, start=None, followed=0):
        """The directory and last name of a path, symbolic links on the way followed; ("", root) for the root."""
        at = start or self.root
        parts = [part for part in path.split("/") if part]
        if not parts:
            return at, ""
        for part in parts[:-1]:
            at = self.step_into(at, part, followed)
        return at, parts[-1]

    def step_into(self, at, part, followed):
        if part == "..":
            return at.parent
        inode = at.content.get(part) or fail(errno.ENOENT)
        if inode.kind == stat.S_IFLNK:
            inode = self.follow(at, inode, followed)
        return inode if inode.kind == stat.S_IFDIR else fail(errno.ENOTDIR)

    def follow(self, folder, link, followed):
        if followed >= LINKS_FOLLOWED_MAX:
            fail(errno.ELOOP)
        folder, name = self.walk(link.content, folder, followed + 1)
        inode = folder.content.get(name) or fail(errno.ENOENT)
        return self.follow(folder, inode, followed + 1) if inode.kind == stat.S_IFLNK else inode

    def find(self, path, follows=True):
        folder, name = self.walk(path)
        if not name:
            return folder
        inode = folder.content.get(name) or fail(errno.ENOENT)
        return self.follow(folder, inode, 0) if follows and inode.kind == stat.S_IFLNK else inode

    def add(self, folder, name, inode):
        folder.content[name] = inode
        if inode.kind == stat.S_IFDIR:
            inode.parent = folder

    def new_name(self, path):
        folder, name = self.walk(path)
        if not name or name in folder.content:
            fail(errno.EEXIST)
        return folder, name

    # ---- descriptors

    def file(self, slot):
        return self.slots.get((self.process, slot)) or fail(errno.EBADF)

    def open(self, slot, path, flags, mode):
        self.close(slot)
        inode = self.find_or_create(path, flags, mode)
        if inode.kind == stat.S_IFDIR and (flags & os.O_ACCMODE or flags & (os.O_CREAT | os.O_TRUNC)):
            fail(errno.EISDIR)
        if flags & os.O_TRUNC and inode.kind == stat.S_IFREG:
            del inode.content[:]
        self.slots[self.process, slot] = Open(inode, flags)
        return ()

    def find_or_create(self, path, flags, mode):
        folder, name = self.walk(path)
        for followed in range(LINKS_FOLLOWED_MAX + 1):
            inode = folder.content.get(name) if name != ".." else folder.parent
            if inode is None:
                if not flags & os.O_CREAT:
                    fail(errno.ENOENT)
                inode = Inode(stat.S_IFREG, mode & ~0o022, bytearray())
                folder.content[name] = inode
                return inode
            if flags & os.O_CREAT and flags & os.O_EXCL:
                fail(errno.EEXIST)
            if inode.kind != stat.S_IFLNK:
                return inode
            if flags & os.O_NOFOLLOW:
                fail(errno.ELOOP)
            folder, name = self.walk(inode.content, folder, followed + 1)
        return fail(errno.ELOOP)

    def close(self, slot):
        self.slots.pop((self.process, slot), None)
        return ()

    # ---- data

    @staticmethod
    def put(content, offset, piece):
        if offset > len(content):
            content.extend(bytes(offset - len(content)))
        content[offset:offset + len(piece)] = piece

    def writable(self, slot, code=errno.EBADF):
        opened = self.file(slot)
        return opened if opened.writes else fail(code)

    def write(self, slot, length, seed):
        opened = self.writable(slot)
        if opened.appends:
            opened.offset = len(opened.inode.content)
        self.put(opened.inode.content, opened.offset, data(length, seed))
        opened.offset += length
        return (length,)

    def pwrite(self, slot, offset, length, seed):
        opened = self.writable(slot)
        if length:
            content = opened.inode.content
            self.put(content, len(content) if opened.appends else offset, data(length, seed))  # as Linux has it
        return (length,)

    def readable(self, slot):
        opened = self.file(slot)
        if not opened.reads:
            fail(errno.EBADF)
        if opened.inode.kind == stat.S_IFDIR:
            fail(errno.EISDIR)
        return opened

    def read(self, slot, length):
        opened = self.readable(slot)
        piece = bytes(opened.inode.content[opened.offset:opened.offset + length])
        opened.offset += len(piece)
        return digest(piece)

    def pread(self, slot, offset, length):
        return digest(bytes(self.readable(slot).inode.content[offset:offset + length]))

    def mapped_length(self, slot, offset, length, writes):
        opened = self.file(slot)
        if opened.inode.kind != stat.S_IFREG:
            return 0
        count = max(0, min(length, len(opened.inode.content) - offset))
        if count and not (opened.reads and (opened.writes or not writes)):
            fail(errno.EACCES)  # a mapping can be read, whatever it is for
        return count

    def map_read(self, slot, offset, length):
        count = self.mapped_length(slot, offset, length, writes=False)
        return digest(bytes(self.file(slot).inode.content[offset:offset + count]) if count else b"")

    def map_write(self, slot, offset, length, seed):
        count = self.mapped_length(slot, offset, length, writes=True)
        if count:
            self.put(self.file(slot).inode.content, offset, data(length, seed)[:count])
        return (count,)

    def resize(self, content, size):
        del content[size:]
        content.extend(bytes(size - len(content)))
        return ()

    def ftruncate(self, slot, size):
        return self.resize(self.writable(slot, errno.EINVAL).inode.content, size)

    def truncate(self, path, size):
        inode = self.find(path)
        if inode.kind == stat.S_IFDIR:
            fail(errno.EISDIR)
        return self.resize(inode.content, size)

    def fallocate(self, slot, mode, offset, length):
        opened = self.file(slot)
        if length <= 0:
            fail(errno.EINVAL)
        if mode & (COLLAPSE_RANGE | INSERT_RANGE) or mode == PUNCH_HOLE:
            fail(errno.EOPNOTSUPP if opened.writes or mode == PUNCH_HOLE else errno.EBADF)
        if not opened.writes:
            fail(errno.EBADF)
        content = opened.inode.content
        if not mode & KEEP_SIZE and offset + length > len(content):
            self.resize(content, offset + length)
        end = min(offset + length, len(content))
        if mode & (PUNCH_HOLE | ZERO_RANGE) and offset < end:
            content[offset:end] = bytes(end - offset)
        return ()

    def copy(self, source_slot, source_offset, target_slot, target_offset, length):
        source, target = self.file(source_slot), self.file(target_slot)
        if stat.S_IFDIR in (source.inode.kind, target.inode.kind):
            fail(errno.EISDIR)
        if not source.reads or not target.writes or target.appends:
            fail(errno.EBADF)
        count = max(0, min(length, len(source.inode.content) - source_offset))
        if source.inode is target.inode and abs(source_offset - target_offset) < count:
            fail(errno.EINVAL)
        if count:
            self.put(target.inode.content, target_offset, source.inode.content[source_offset:source_offset + count])
        return (count,)

    def seek(self, slot, offset, whence):
        """Where holes are is the filesystem's own affair, but what it calls a hole must read as zeros."""
        inode = self.file(slot).inode
        if inode.kind != stat.S_IFREG:
            return lambda result: ""
        content = inode.content
        if offset >= len(content):
            fail(errno.ENXIO)

        def wrong(result):
            if whence == HOLE:
                return "" if result[0] == "OK" and offset <= result[1] <= len(content) else f"no hole: {result}"
            end = len(content) if result == ("ENXIO",) else result[1] if result[0] == "OK" else -1
            return "" if offset <= end <= len(content) and not any(content[offset:end]) else f"lost data: {result}"
        return wrong

    # ---- the tree

    def is_within(self, folder, ancestor):
        while folder is not ancestor and folder is not self.root:
            folder = folder.parent
        return folder is ancestor

    def rename(self, source, target, flags):
        old_folder, old_name = self.walk(source)
        new_folder, new_name = self.walk(target)
        moved = old_folder.content.get(old_name) or fail(errno.ENOENT)
        there = new_folder.content.get(new_name)
        if flags & NOREPLACE and there:
            fail(errno.EEXIST)
        if flags & EXCHANGE and not there:
            fail(errno.ENOENT)
        if moved.kind == stat.S_IFDIR and self.is_within(new_folder, moved):
            fail(errno.EINVAL)
        if there and there.kind == stat.S_IFDIR and self.is_within(old_folder, there):
            fail(errno.EINVAL if flags & EXCHANGE else errno.ENOTEMPTY)
        if moved is there:
            return ()
        if there and not flags & EXCHANGE:
            self.check_replace(moved, there)
            there.links -= 1
        if flags & EXCHANGE:
            self.add(old_folder, old_name, there)
        else:
            del old_folder.content[old_name]
        self.add(new_folder, new_name, moved)
        return ()

    @staticmethod
    def check_replace(moved, there):
        if moved.kind == stat.S_IFDIR and there.kind != stat.S_IFDIR:
            fail(errno.ENOTDIR)
        if moved.kind != stat.S_IFDIR and there.kind == stat.S_IFDIR:
            fail(errno.EISDIR)
        if there.kind == stat.S_IFDIR and there.content:
            fail(errno.ENOTEMPTY)

    def link(self, source, target):
        inode = self.find(source, follows=False)
        folder, name = self.new_name(target)
        if inode.kind == stat.S_IFDIR:
            fail(errno.EPERM)
        folder.content[name] = inode
        inode.links += 1
        return ()

    def unlink(self, path):
        folder, name = self.walk(path)
        inode = folder.content.get(name) or fail(errno.ENOENT)
        if inode.kind == stat.S_IFDIR:
            fail(errno.EISDIR)
        del folder.content[name]
        inode.links -= 1
        return ()

    def symlink(self, content, path):
        folder, name = self.new_name(path)
        folder.content[name] = Inode(stat.S_IFLNK, 0o777, content)
        return ()

    def readlink(self, path):
        inode = self.find(path, follows=False)
        return (inode.content,) if inode.kind == stat.S_IFLNK else fail(errno.EINVAL)

    def mkdir(self, path):
        folder, name = self.new_name(path)
        self.add(folder, name, Inode(stat.S_IFDIR, 0o755, {}))
        return ()

    def rmdir(self, path):
        folder, name = self.walk(path)
        inode = folder.content.get(name) or fail(errno.ENOENT)
        if inode.kind != stat.S_IFDIR:
            fail(errno.ENOTDIR)
        if inode.content:
            fail(errno.ENOTEMPTY)
        del folder.content[name]
        return ()

    def readdir(self, path):
        inode = self.find(path)
        if inode.kind != stat.S_IFDIR:
            fail(errno.ENOTDIR)
        return ([(name, entry.kind == stat.S_IFDIR) for name, entry in sorted(inode.content.items())],)

    def tree(self):
        found = []

        def add(folder, above):
            for name, inode in folder.content.items():
                content = digest(bytes(inode.content)) if inode.kind == stat.S_IFREG else ()
                found.append((above + name, *inode.describe(), *content))
                if inode.kind == stat.S_IFDIR:
                    add(inode, above + name + "/")
        add(self.root, "")
        return (sorted(found),)

    # ---- attributes

    def stat(self, path):
        return self.find(path).describe()

    def lstat(self, path):
        return self.find(path, follows=False).describe()

    def fstat(self, slot):
        inode = self.file(slot).inode
        if inode.kind == stat.S_IFDIR:
            return lambda result: "" if result[:3] == ("OK", inode.kind, inode.mode) else f"{result}"  # maybe removed
        return inode.describe()

    def fsync(self, slot):
        self.file(slot)
        return ()

    def pack(self, slot, request):  # which nobody may see
        return self.fsync(slot)

    def chmod(self, path, mode):
        self.find(path).mode = mode
        return ()

    def fchmod(self, slot, mode):
        self.file(slot).inode.mode = mode
        return ()

    def setxattr(self, path, name, length, seed, flags):
        xattrs = self.find(path).xattrs
        if flags == os.XATTR_CREATE and name in xattrs:
            fail(errno.EEXIST)
        if flags == os.XATTR_REPLACE and name not in xattrs:
            fail(errno.ENODATA)
        xattrs[name] = data(length, seed)
        return ()

    def getxattr(self, path, name):
        return digest(self.find(path).xattrs[name]) if name in self.find(path).xattrs else fail(errno.ENODATA)

    def listxattr(self, path):
        return (sorted(self.find(path).xattrs),)

    def removexattr(self, path, name):
        return () if self.find(path).xattrs.pop(name, None) is not None else fail(errno.ENODATA)
