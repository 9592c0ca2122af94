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


class _Unnamed:
    """A file that nobody else can open yet, or under a temporary name alone, and the folder that it is in."""

    def __init__(self, path: str, folder_fd: int) -> None:
        self._path = path
        self._folder_fd = folder_fd
        self.fd, self._temporary = _make(folder_fd, path)
        self._link = f"/proc/self/fd/{self.fd}"

    @contextlib.contextmanager
    def opened(self, size: int) -> Iterator[File]:
        with _named(self._link, self._path), open_file(self._link, size) as file:
            file.path = self._path
            yield file

    def replace(self, name: str) -> None:
        """Gives it a name, which an old file has no longer."""
        if not self._temporary:
            self._temporary = _temporary_name()
            self._give(self._temporary)
        os.rename(self._temporary, name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
        self._temporary = ""

    def link(self, name: str) -> None:
        """Gives it a name that no file has. FileExistsError: one has it."""
        try:
            self._give(name)
        except FileExistsError as error:
            raise FileExistsError(error.errno, error.strerror, self._path) from None

    def _give(self, name: str) -> None:
        # The two directories make it follow the link.
        os.link(self._link, name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)

    def close(self) -> None:
        if self._temporary:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._folder_fd)
        os.close(self.fd)


@contextlib.contextmanager
def _unnamed(path: str, folder: str) -> Iterator[_Unnamed]:
    folder_fd = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _remove_leftovers(folder_fd)
        with contextlib.closing(_Unnamed(path, folder_fd)) as unnamed:
            yield unnamed
    finally:
        os.close(folder_fd)


@contextlib.contextmanager
def new_file(path: str, size: int, device: str = "") -> Iterator[File]:
    """The file, of `size` bytes, to be written; it gets its name when the block ends without an exception. `device`:
    what `user.gmemfs.device` says of it; "": what its directory hands down."""
    folder, name = os.path.split(path)
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    with _unnamed(path, folder) as unnamed:
        if device:
            _place(unnamed.fd, device, path)
        with unnamed.opened(size) as file:
            yield file
        unnamed.replace(name)


def _place(fd: int, device: str, path: str) -> None:
    try:
        os.setxattr(fd, "user.gmemfs.device", device.encode())
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise OSError(errno.ENODEV, f"the mount doesn't use device {device}: `gmemfs stat` lists those that it has",
                          path) from None
        if error.errno != errno.EOPNOTSUPP:  # of no mount: opening it says so
            raise


@contextlib.contextmanager
def host_file(folder: str, size: int) -> Iterator[File]:
    """A file in host memory that never gets a name, and goes with the last that use it."""
    with _unnamed(folder, folder) as unnamed:
        os.setxattr(unnamed.fd, "user.gmemfs.device", b"host")
        with unnamed.opened(size) as file:
            yield file


@contextlib.contextmanager
def first_file(path: str, size: int) -> Iterator[File]:
    """The same, where no file has that name. FileExistsError: one has it, now or when the block ends. Where `path` is a
    directory, a file in it that never gets a name, and goes with the last that use it."""
    if os.path.isdir(path):
        with _unnamed(path, path) as unnamed, unnamed.opened(size) as file:
            yield file
        return
    if os.path.lexists(path):  # link() says so as well: then memory has been allocated for nothing
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    folder, name = os.path.split(path)
    with _unnamed(path, folder) as unnamed:
        with unnamed.opened(size) as file:
            yield file
        unnamed.link(name)


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
        if link not in f"{error.filename} {error.strerror}":
            raise
        raise OSError(error.errno, str(error.strerror).replace(link, path), path) from None
