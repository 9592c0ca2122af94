"""File and Mapping: an open file of a gmemfs mount, and its memory mapped into this process."""
import atexit
import ctypes
import errno
import os
import weakref
from typing import Any, Dict, NamedTuple, Optional, Sequence, Union, cast

from . import _abi
from .array import Array
from .dtypes import dtype_of, shape_from, size_of

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


_mapped: "weakref.WeakSet[Mapping]" = weakref.WeakSet()


@atexit.register
def _let_go() -> None:
    for mapping in list(_mapped):
        _abi.library().gmemfs_release(mapping.handle)  # what frameworks have made of it stays


class Mapping:
    """A file's memory at one contiguous device address, and a lease on it, until unmap() or the last reference goes.

    It is an array of bytes: DLPack and the array interface show the file's `size`. Of a file that lives in host memory
    NumPy sees the bytes, too: `numpy.asarray(mapping)` has no copy of them.
    """

    def __init__(self, path: str, owner: _abi.Owner) -> None:
        self.path = path
        self.handle = owner.get("mapping")
        self._owner = owner
        info = self._check()
        self.address: int = info.address
        self.length: int = info.length
        self.size: int = info.size
        self.device: int = info.device
        self.host_address: int = info.host_address
        self.read_only: bool = info.access == _abi.READ
        self.handles: str = {value: name for name, value in _abi.HANDLES.items()}[info.handles]
        self.extent_count: int = info.extent_count
        _mapped.add(self)

    def unmap(self) -> None:
        """Now, when the work has ended that the devices have. Neither arrays of it nor what frameworks made of them may
        be used any more. OSError where the device has lost its context, say: it is unmapped all the same."""
        code = _abi.library().gmemfs_unmap(self.handle)
        if code != errno.EBADF:  # it is unmapped already
            _abi.check(code, self.path)

    def array(self, shape: Sequence[int], dtype: object, offset: int = 0) -> Array:
        """Elements from `offset` bytes on."""
        self._check()
        return Array(self, offset, shape, dtype)

    def dma_buf(self, offset: int, length: int) -> int:
        """A dma-buf descriptor of a part; the caller closes it."""
        fd = ctypes.c_int(-1)
        offset, length = _abi.number(offset, "an offset"), _abi.number(length, "a length")
        _abi.check(_abi.library().gmemfs_get_dma_buf(self.handle, offset, length, fd), self.path)
        return fd.value

    def _check(self) -> _abi.MappingInfo:
        """ValueError once it is unmapped."""
        info = _abi.MappingInfo(struct_size=ctypes.sizeof(_abi.MappingInfo))
        _abi.check(_abi.library().gmemfs_get_info(self.handle, info), self.path)
        return info

    @property
    def __array_interface__(self) -> Any:
        return self.array((self.size,), "uint8").__array_interface__

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
        options = _abi.OpenOptions(struct_size=ctypes.sizeof(_abi.OpenOptions), flags=flags,
                                   mode=_abi.number(mode, "a mode", 0o10000), size=_abi.number(size, "a size"),
                                   driver=_abi.encode(driver) if driver else None)
        self._owner = _abi.Owner()
        _abi.check(_abi.library().gmemfs_open(_abi.encode(path), options, self._owner.place("file")), self.path)
        self._handle = self._owner.get("file")

    @property
    def size(self) -> int:
        size = ctypes.c_uint64()
        _abi.check(_abi.library().gmemfs_get_size(self._handle, size), self.path)
        return size.value

    def resize(self, size: int) -> None:
        _abi.check(_abi.library().gmemfs_set_size(self._handle, _abi.number(size, "a size")), self.path)

    @property
    def device(self) -> int:
        """Ordinal of the device that the file lives on."""
        ordinal = ctypes.c_int()
        _abi.check(_abi.library().gmemfs_get_device(self._handle, ordinal), self.path)
        return ordinal.value

    def map(self, *, read_only: Optional[bool] = None, exclusive: bool = False, handles: str = "any", address: int = 0,
            devices: Optional[Sequence[int]] = None, reach: str = "all",
            device: Optional[int] = None) -> Mapping:
        """All of its memory. `device`: ordinal of the device that will read it: where the file has a copy there
        (user.gmemfs.replicas), that is mapped, for reading alone, and keeps its bytes while it is mapped. `exclusive`:
        BlockingIOError or OSError(EBUSY) while other peers have it mapped. `handles`: "any", "fabric" or "fd".
        `address`: one that the mapping must have. `devices`: ordinals of those that may use it besides the file's own;
        None: all that can reach it. `reach`: "own": of a file over several devices each reaches what lies on it alone,
        and faults on the rest; "all" needs links between them."""
        if read_only is None:
            read_only = device is not None
        options = _abi.map_options(read_only, exclusive, handles, address, devices, reach, device)
        owner = _abi.Owner()
        _abi.check(_abi.library().gmemfs_map(self._handle, options, owner.place("mapping")), self.path)
        return Mapping(self.path, owner)

    def seal(self) -> None:
        """After kernels have written through a mapping, and have ended."""
        _abi.check(_abi.library().gmemfs_seal(self._handle), self.path)

    def fileno(self) -> int:
        fd = int(_abi.library().gmemfs_get_fd(self._handle))
        return fd if fd >= 0 else self.size  # which says why there is none

    def close(self) -> None:
        _abi.library().gmemfs_close(self._handle)

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(path: Path, size: Optional[int] = None, *, mode: int = 0o600, driver: Optional[str] = None) -> File:
    """Opens a file for reading and writing. With a size it is made where there is none, and set to that size."""
    return File(path, 0 if size is None else _abi.CREATE, size or 0, mode, driver)


def map_directory(path: Path, *, read_only: bool = False, exclusive: bool = False, handles: str = "any",
                  driver: Optional[str] = None, devices: Optional[Sequence[int]] = None) -> Dict[str, Mapping]:
    """All files in a directory that have memory, by name, through one request to the broker. Empty files and those that
    are removed meanwhile are left out; any other that can't be mapped is an OSError, and then none is."""
    library, folder = _abi.library(), os.fsdecode(path)
    owner = _abi.Owner()
    _abi.check(library.gmemfs_map_directory(
        _abi.encode(path), _abi.map_options(read_only, exclusive, handles, 0, devices, "all"),
        _abi.encode(driver) if driver else None, owner.place("directory")), folder)
    directory = owner.get("directory")
    mappings: Dict[str, Mapping] = {}
    for index in range(library.gmemfs_get_entry_count(directory)):
        entry = _abi.Entry(struct_size=ctypes.sizeof(_abi.Entry))
        _abi.check(library.gmemfs_get_entry(directory, index, entry), folder)
        name = os.fsdecode(entry.name)
        if entry.mapping is not None:
            mapping = _abi.Owner()
            mapping.set("mapping", entry.mapping)
            mappings[name] = Mapping(os.path.join(folder, name), mapping)
        elif entry.code not in (errno.ENODATA, errno.ESTALE):
            raise OSError(entry.code, entry.text.decode(errors="replace"), os.path.join(folder, name))
    library.gmemfs_free_directory(directory)  # from here on the mappings are those of `mappings` alone
    owner.set("directory", None)
    return mappings


def tensor(path: Path, shape: Optional[Sequence[int]] = None, dtype: object = None, *, create: bool = False,
           read_only: bool = False, offset: int = 0) -> Array:
    """Elements of a file, from `offset` bytes on. `create`: made, or grown, to hold them. Without shape and dtype: the
    tensor that a program has given this name (gmemfs.name_tensor)."""
    if shape is None and dtype is None and not create and not offset:
        from .naming import look_up  # who loads a model waits for the import, and doesn't need it
        offset, shape, dtype = look_up(os.fsdecode(path))
    if shape is None or dtype is None:
        raise TypeError("gmemfs: a tensor's shape and dtype go together")
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
    handle: None = None
    host_address: int = 0

    def _check(self) -> None:
        pass
