"""File and Mapping: an open file of a gmemfs mount, and its memory mapped into this process."""
import ctypes
import errno
import os
import weakref
from typing import Any, Dict, NamedTuple, Optional, Sequence, Union, cast

from . import _abi
from .array import Array
from .dtypes import dtype_of, shape_from, size_of

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def _unmap(handle: int, driver: Optional[str]) -> None:
    # A framework that lets go of its last tensor may have kernels queued on it.
    calls = _abi.driver(driver)
    if calls.has_context():
        calls.synchronize()
    _abi.library().gmemfs_unmap(handle)  # that the server has died meanwhile is no error here


def _map_options(read_only: bool, exclusive: bool, handles: str, address: int) -> _abi.MapOptions:
    return _abi.MapOptions(struct_size=ctypes.sizeof(_abi.MapOptions),
                           access=_abi.READ if read_only else _abi.READ_WRITE,
                           sharing=_abi.ALONE if exclusive else _abi.SHARED,
                           handles=_abi.HANDLES[handles], address=address)


class Mapping:
    """A file's memory at one contiguous device address, and a lease on it, until unmap() or the last reference goes.

    It is an array of bytes: DLPack and the array interface show the file's `size`.
    """

    def __init__(self, path: str, handle: int, driver: Optional[str]) -> None:
        self.path = path
        self._handle = handle
        info = _abi.MappingInfo(struct_size=ctypes.sizeof(_abi.MappingInfo))
        _abi.check(_abi.library().gmemfs_get_info(handle, info), path)
        self.address: int = info.address
        self.length: int = info.length
        self.size: int = info.size
        self.device: int = info.device
        self.read_only: bool = info.access == _abi.READ
        self.handles: str = {value: name for name, value in _abi.HANDLES.items()}[info.handles]
        self.extent_count: int = info.extent_count
        self._finalizer = weakref.finalize(self, _unmap, handle, driver)

    def unmap(self) -> None:
        """Now. Nothing may use the memory any more: neither arrays of it nor what frameworks made of them."""
        self._finalizer()

    def array(self, shape: Sequence[int], dtype: object, offset: int = 0) -> Array:
        """Elements from `offset` bytes on."""
        self._check()
        return Array(self, offset, shape, dtype)

    def dma_buf(self, offset: int, length: int) -> int:
        """A dma-buf descriptor of a part; the caller closes it."""
        self._check()
        fd = ctypes.c_int(-1)
        _abi.check(_abi.library().gmemfs_get_dma_buf(self._handle, offset, length, fd), self.path)
        return fd.value

    def _check(self) -> None:
        if not self._finalizer.alive:
            raise ValueError(f"gmemfs: {self.path}: it is unmapped")

    def __dlpack_device__(self) -> Any:
        return self.array((self.size,), "uint8").__dlpack_device__()

    def __dlpack__(self, **options: Any) -> Any:
        return self.array((self.size,), "uint8").__dlpack__(**options)

    @property
    def __cuda_array_interface__(self) -> Dict[str, Any]:
        return self.array((self.size,), "uint8").__cuda_array_interface__

    def __enter__(self) -> "Mapping":
        return self

    def __exit__(self, *_: object) -> None:
        self.unmap()


class File:
    """An open file of a gmemfs mount. Mappings outlive it."""

    def __init__(self, path: Path, flags: int, size: int, mode: int, driver: Optional[str]) -> None:
        self.path = os.fsdecode(path)
        self._driver = driver
        options = _abi.OpenOptions(struct_size=ctypes.sizeof(_abi.OpenOptions), flags=flags, mode=mode, size=size,
                                   driver=driver.encode() if driver else None)
        handle = ctypes.c_void_p()
        _abi.check(_abi.library().gmemfs_open(os.fsencode(path), options, handle), self.path)
        self._handle = handle.value
        self._finalizer = weakref.finalize(self, _abi.library().gmemfs_close, handle.value)

    def _open(self) -> Optional[int]:
        if not self._finalizer.alive:
            raise ValueError(f"gmemfs: {self.path}: it is closed")
        return self._handle

    @property
    def size(self) -> int:
        size = ctypes.c_uint64()
        _abi.check(_abi.library().gmemfs_get_size(self._open(), size), self.path)
        return size.value

    def resize(self, size: int) -> None:
        _abi.check(_abi.library().gmemfs_set_size(self._open(), size), self.path)

    @property
    def device(self) -> int:
        """Ordinal of the device that the file lives on."""
        ordinal = ctypes.c_int()
        _abi.check(_abi.library().gmemfs_get_device(self._open(), ordinal), self.path)
        return ordinal.value

    def map(self, *, read_only: bool = False, exclusive: bool = False, handles: str = "any",
            address: int = 0) -> Mapping:
        """All of its memory. `exclusive`: BlockingIOError or OSError(EBUSY) while other peers have it mapped.
        `handles`: "any", "fabric" or "fd". `address`: one that the mapping must have."""
        options = _map_options(read_only, exclusive, handles, address)
        mapping = ctypes.c_void_p()
        _abi.check(_abi.library().gmemfs_map(self._open(), options, mapping), self.path)
        assert mapping.value is not None
        return Mapping(self.path, mapping.value, self._driver)

    def seal(self) -> None:
        """After kernels have written through a mapping, and have ended."""
        _abi.check(_abi.library().gmemfs_seal(self._open()), self.path)

    def fileno(self) -> int:
        return int(_abi.library().gmemfs_get_fd(self._open()))

    def close(self) -> None:
        self._finalizer()

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(path: Path, size: Optional[int] = None, *, mode: int = 0o600, driver: Optional[str] = None) -> File:
    """Opens a file for reading and writing. With a size it is made where there is none, and set to that size."""
    return File(path, 0 if size is None else _abi.CREATE, size or 0, mode, driver)


def map_directory(path: Path, *, read_only: bool = False, exclusive: bool = False, handles: str = "any",
                  driver: Optional[str] = None) -> Dict[str, Mapping]:
    """All files in a directory that have memory, by name, through one request to the broker. Empty files and those that
    are removed meanwhile are left out; any other that can't be mapped is an OSError, and then none is."""
    library, folder = _abi.library(), os.fsdecode(path)
    directory = ctypes.c_void_p()
    _abi.check(library.gmemfs_map_directory(os.fsencode(path), _map_options(read_only, exclusive, handles, 0),
                                            driver.encode() if driver else None, directory), folder)
    mappings: Dict[str, Mapping] = {}
    failure = None
    for index in range(library.gmemfs_get_entry_count(directory)):
        entry = _abi.Entry(struct_size=ctypes.sizeof(_abi.Entry))
        _abi.check(library.gmemfs_get_entry(directory, index, entry), folder)
        name = os.fsdecode(entry.name)
        if entry.mapping is not None:
            mappings[name] = Mapping(os.path.join(folder, name), entry.mapping, driver)
        elif failure is None and entry.code not in (errno.ENODATA, errno.ESTALE):
            failure = OSError(entry.code, entry.text.decode(errors="replace"), os.path.join(folder, name))
    library.gmemfs_free_directory(directory)
    if failure is not None:
        for mapping in mappings.values():
            mapping.unmap()
        raise failure
    return mappings


def tensor(path: Path, shape: Sequence[int], dtype: object, *, create: bool = False, read_only: bool = False,
           offset: int = 0) -> Array:
    """Elements of a file, from `offset` bytes on. `create`: made, or grown, to hold them."""
    size = offset + size_of(dtype_of(dtype), shape_from(shape))
    with open(path, None) if not create else File(path, _abi.CREATE, 0, 0o600, None) as file:
        if create and file.size < size:
            file.resize(size)
        if file.size == 0:
            return Array(cast(Mapping, _Nothing(file.path, file.device, read_only)), 0, shape, dtype)
        return file.map(read_only=read_only).array(shape, dtype, offset)


class _Nothing(NamedTuple):
    """Stands for the mapping of an empty file, which has no memory that could be mapped: an empty array needs none."""
    path: str
    device: int
    read_only: bool
    address: int = 0
    length: int = 0
    size: int = 0

    def _check(self) -> None:
        pass
