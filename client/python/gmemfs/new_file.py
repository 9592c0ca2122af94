"""New file: one that takes the place of another when it is whole, under a name that nobody else can have meanwhile.

Where the kernel can, it has no name at all until then (O_TMPFILE), so that a saver that is killed leaves nothing. Only
rename(2) replaces a name, so for a moment it is called .gmemfs-save.RANDOM. Its maker holds a lock on it from before it
has that name: one whose lock can be had was left by a maker that is gone, and the next saver removes it.
"""
import contextlib
import errno
import fcntl
import os
import re
from typing import Iterator, Tuple

from .file import File, open as open_file

_TEMPORARY = re.compile(r"\.gmemfs-save\.[0-9a-f]{16}")
_NAMELESS = os.O_TMPFILE
_NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOSYS)  # what kernels say that can't


@contextlib.contextmanager
def new_file(path: str, size: int) -> Iterator[File]:
    """The file, of `size` bytes, to be written; it gets its name when the block ends without an exception."""
    folder, name = os.path.split(path)
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    folder_fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _remove_leftovers(folder_fd)
        fd, temporary = _make(folder_fd, path)
        try:
            link = f"/proc/self/fd/{fd}"
            with _named(link, path), open_file(link, size) as file:
                yield file
            if not temporary:
                temporary = _temporary_name()
                os.link(link, temporary, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)  # these make it follow the link
            os.rename(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except BaseException:
            if temporary:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder_fd)
            raise
        finally:
            os.close(fd)
    finally:
        os.close(folder_fd)


def _temporary_name() -> str:
    return f".gmemfs-save.{os.urandom(8).hex()}"


def _make(folder_fd: int, path: str) -> Tuple[int, str]:
    """The descriptor, locked, and the name of one that has to have it."""
    try:
        fd = os.open(".", _NAMELESS | os.O_RDWR | os.O_CLOEXEC, 0o666, dir_fd=folder_fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return fd, ""
    except OSError as error:
        if error.errno not in _NO_NAMELESS:
            raise OSError(error.errno, error.strerror, path) from None
    while True:
        temporary = _temporary_name()
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666, dir_fd=folder_fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return fd, temporary
        os.close(fd)  # another saver had the lock first, took it for a leftover and removed it


def _remove_leftovers(folder_fd: int) -> None:
    for name in os.listdir(folder_fd):
        if _TEMPORARY.fullmatch(name):
            with contextlib.suppress(OSError):  # another's, or gone meanwhile, or its maker has the lock
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=folder_fd)
                finally:
                    os.close(fd)


@contextlib.contextmanager
def _named(link: str, path: str) -> Iterator[None]:
    """Errors name the file that is to be, not the link to one without a name."""
    try:
        yield
    except OSError as error:
        if error.filename != link:
            raise
        raise OSError(error.errno, str(error.strerror).replace(link, path), path) from None
