"""Worker: a process that does steps in one folder and tells the result of each, as far as filesystems agree on it.

A result is ("OK", value...) or the name of an errno. Bytes that were read come back as their length and digest.
"""
import ctypes
import errno
import fcntl
import hashlib
import mmap
import multiprocessing
import os
import stat

from steps import KEEP_SIZE, ZERO_RANGE, data

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
NO_DESCRIPTOR = 1 << 30  # for an empty slot: EBADF
MEMORY = {"user.allocation_size"}  # what the server lists of itself, of a file that has memory


def checked(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def digest(content):
    return len(content), hashlib.blake2b(content, digest_size=8).hexdigest()


def describe(status):
    """What stat(2) says and every filesystem agrees on: a directory's size and links are its own affair."""
    kind = stat.S_IFMT(status.st_mode)
    size = 0 if kind == stat.S_IFDIR else status.st_size
    return kind, stat.S_IMODE(status.st_mode), status.st_nlink, size


def read_whole(path):
    with open(path, "rb", buffering=0) as file:
        content = b""
        while piece := file.read(1 << 20):
            content += piece
    return digest(content)


class Worker:
    """Does the steps of one process; its descriptors live in slots."""

    def __init__(self, root):
        os.chdir(root)
        os.umask(0o022)
        self.slots = {}

    def do(self, step):
        try:
            return ("OK", *getattr(self, step[1])(*step[2:]))
        except OSError as error:
            return (errno.errorcode[error.errno],)

    def fd(self, slot):
        return self.slots.get(slot, NO_DESCRIPTOR)

    def open(self, slot, path, flags, mode):
        self.close(slot)
        self.slots[slot] = os.open(path or ".", flags, mode)
        return ()

    def close(self, slot):
        if slot in self.slots:
            os.close(self.slots.pop(slot))
        return ()

    def write(self, slot, length, seed):
        return (os.write(self.fd(slot), data(length, seed)),)

    def pwrite(self, slot, offset, length, seed):
        return (os.pwrite(self.fd(slot), data(length, seed), offset),)

    def read(self, slot, length):
        return digest(os.read(self.fd(slot), length))

    def pread(self, slot, offset, length):
        return digest(os.pread(self.fd(slot), length, offset))

    def mapped(self, slot, offset, length, protection):
        """What lies in the file of a range, as a shared mapping and the range's place in it; nothing past its end."""
        fd = self.fd(slot)
        size = os.fstat(fd).st_size
        end = min(offset + length, size)
        if offset >= end or not stat.S_ISREG(os.fstat(fd).st_mode):
            return None, slice(0, 0)
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        mapping = mmap.mmap(fd, end - start, mmap.MAP_SHARED, protection, offset=start)
        return mapping, slice(offset - start, end - start)

    def map_read(self, slot, offset, length):
        mapping, place = self.mapped(slot, offset, length, mmap.PROT_READ)
        if mapping is None:
            return digest(b"")
        with mapping:
            return digest(mapping[place])

    def map_write(self, slot, offset, length, seed):
        mapping, place = self.mapped(slot, offset, length, mmap.PROT_READ | mmap.PROT_WRITE)
        if mapping is None:
            return (0,)
        with mapping:
            mapping[place] = data(length, seed)[:place.stop - place.start]
            mapping.flush()
        return (place.stop - place.start,)

    def ftruncate(self, slot, size):
        os.ftruncate(self.fd(slot), size)
        return ()

    def truncate(self, path, size):
        os.truncate(path, size)
        return ()

    def fallocate(self, slot, mode, offset, length):
        fd = self.fd(slot)
        try:
            checked(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP or not mode & ZERO_RANGE:
                raise
            self.write_zeros(fd, offset, length, mode & KEEP_SIZE)  # tmpfs has no ZERO_RANGE
        return ()

    @staticmethod
    def write_zeros(fd, offset, length, keeps_size):
        size = os.fstat(fd).st_size
        end = min(offset + length, size)
        if offset < end:  # by its name in /proc, because this one may be O_APPEND
            other = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)
            os.pwrite(other, bytes(end - offset), offset)
            os.close(other)
        if not keeps_size and offset + length > size:
            os.ftruncate(fd, offset + length)

    def copy(self, source, source_offset, target, target_offset, length):
        return (os.copy_file_range(self.fd(source), self.fd(target), length, source_offset, target_offset),)

    def seek(self, slot, offset, whence):
        fd = self.fd(slot)
        before = os.lseek(fd, 0, os.SEEK_CUR)
        try:
            return (os.lseek(fd, offset, whence),)
        finally:
            os.lseek(fd, before, os.SEEK_SET)

    def rename(self, source, target, flags):
        checked(libc.renameat2(AT_FDCWD, source.encode(), AT_FDCWD, target.encode(), flags))
        return ()

    def link(self, source, target):
        os.link(source, target, follow_symlinks=False)
        return ()

    def unlink(self, path):
        os.unlink(path)
        return ()

    def symlink(self, content, path):
        os.symlink(content, path)
        return ()

    def readlink(self, path):
        return (os.readlink(path),)

    def mkdir(self, path):
        os.mkdir(path, 0o755)
        return ()

    def rmdir(self, path):
        os.rmdir(path)
        return ()

    def chmod(self, path, mode):
        os.chmod(path, mode)
        return ()

    def fchmod(self, slot, mode):
        os.fchmod(self.fd(slot), mode)
        return ()

    def setxattr(self, path, name, length, seed, flags):
        os.setxattr(path, name, data(length, seed), flags)
        return ()

    def getxattr(self, path, name):
        return digest(os.getxattr(path, name))

    def listxattr(self, path):
        return (sorted(set(os.listxattr(path)) - MEMORY),)

    def removexattr(self, path, name):
        os.removexattr(path, name)
        return ()

    def readdir(self, path):
        return ([(entry.name, entry.is_dir(follow_symlinks=False)) for entry in
                 sorted(os.scandir(path or "."), key=lambda entry: entry.name)],)

    def stat(self, path):
        return describe(os.stat(path))

    def lstat(self, path):
        return describe(os.lstat(path))

    def fstat(self, slot):
        return describe(os.fstat(self.fd(slot)))

    def fsync(self, slot):
        os.fsync(self.fd(slot))
        return ()

    def pack(self, slot, request):
        try:
            fcntl.ioctl(self.fd(slot), request, bytes(24))
        except OSError as error:
            if error.errno != errno.ENOTTY:  # tmpfs has no such request, and a directory can't be packed
                raise
        return ()

    def tree(self):
        """Everything there is: what no single call would show is wrong."""
        found = []
        for folder, folders, files in os.walk("."):
            for name in folders + files:
                path = os.path.join(folder, name)
                about = describe(os.lstat(path))
                content = read_whole(path) if about[0] == stat.S_IFREG else ()
                found.append((os.path.relpath(path), *about, *content))
        return (sorted(found),)


class Planted(Worker):
    """A filesystem with a bug, to show that the tester finds it: punching leaves the last byte."""

    def fallocate(self, slot, mode, offset, length):
        return super().fallocate(slot, mode, offset, length - 1 if mode & 2 and length > 1 else length)


class Remote:
    """A worker in a process of its own, in which steps are done one at a time."""

    def __init__(self, root, worker=Worker):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=self.serve, args=(root, worker, self.pipe, other), daemon=True)
        self.process.start()
        other.close()

    @staticmethod
    def serve(root, worker, parents_end, pipe):
        parents_end.close()
        mine = worker(root)
        try:
            while step := pipe.recv():
                pipe.send(mine.do(step))
        except EOFError:
            pass

    def send(self, step):
        self.pipe.send(step)

    def receive(self, seconds=60):
        if not self.pipe.poll(seconds):
            return (f"no answer for {seconds} s",)
        try:
            return self.pipe.recv()
        except EOFError:
            return ("the worker died",)

    def end(self):
        self.process.kill()
        self.process.join()
        self.pipe.close()
