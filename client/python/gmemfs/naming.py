"""naming: names of tensors, in a program that `gmemfs run` runs: files of the mount by which others find their memory.

    DIR/PROGRAM.PID/arena-0         the memory, which other tensors may be in as well
    DIR/PROGRAM.PID/kv/layer0       the same file: a hard link, so that it goes when the memory does
    user.tensor.kv/layer0           of the file: {"offset": 4096, "shape": [2, 3], "dtype": "float16"}
"""
import ctypes
import errno
import json
import os
import threading
from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import dlpack
from .dtypes import DType, Shape, count_of, dtype_of, dtype_of_dlpack, shape_from, size_of
from .sources import _is_in_rows, _of_interface

_PREFIX = "user.tensor."
_NAME_MAX = 255 - len(_PREFIX)  # bytes: the kernel's limit of an attribute's name


class _Place(ctypes.Structure):  # gmemfs_pool_place (pool/hook/place.h)
    _fields_ = [("struct_size", ctypes.c_size_t), ("address", ctypes.c_uint64), ("size", ctypes.c_uint64),
                ("offset", ctypes.c_uint64), ("path", ctypes.c_char * 4096)]


class _Seen(NamedTuple):
    """What a tensor says of itself."""
    dtype: DType
    shape: Shape
    address: int


_named: Dict[str, Any] = {}  # by path: the tensor, so that its memory stays as long
_lock = threading.Lock()


def name_tensor(tensor: Any, name: str) -> str:
    """Gives device memory a name, and returns the path of it: `name` in the process's own directory. Another process
    has the tensor by gmemfs.tensor(path). Takes whatever has data_ptr(), the CUDA array interface or DLPack.

    The tensor is held until unname_tensor(path); with the memory goes the name. FileExistsError: there is such a file.
    ValueError: the tensor isn't contiguous, or its memory isn't in the pool. OSError: no pool, or the mount's own."""
    parts = name.split("/")
    if not name or name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"gmemfs: {name!r}: a name is a path in the process's own directory, such as kv/layer0")
    if len(os.fsencode(name)) > _NAME_MAX:
        raise ValueError(f"gmemfs: {name!r}: a name has {_NAME_MAX} bytes at the most")
    seen = _look_at(tensor)
    size = size_of(seen.dtype, seen.shape)
    if not size:
        raise ValueError(f"gmemfs: {name}: a tensor without elements has no memory")
    place = _find(name, seen.address, size)
    file = os.fsdecode(place.path)
    path = os.path.join(os.path.dirname(file), name)
    value = {"offset": place.offset + seen.address - place.address, "shape": list(seen.shape), "dtype": seen.dtype.name}
    with _lock:
        _link(file, path, name, json.dumps(value, separators=(",", ":")).encode())
        _named[path] = tensor
    return path


def unname_tensor(path: str) -> None:
    """Takes such a name away, and lets go of the tensor. FileNotFoundError: there is none, or its memory was freed."""
    path = os.fsdecode(path)
    with _lock:
        _named.pop(path, None)
        key = _key_of(path)
        if key is not None:
            os.removexattr(path, _PREFIX + key)
        os.unlink(path)


def look_up(path: str) -> Tuple[int, Shape, DType]:
    """Offset, shape and type of the tensor that has this name. ValueError: the file has no tensor of that name."""
    key = _key_of(path)
    if key is None:
        raise ValueError(f"gmemfs: {path}: no tensor has this name: say its shape and dtype, or name it by "
                         "gmemfs.name_tensor")
    try:
        value = json.loads(os.getxattr(path, _PREFIX + key))
        offset, shape = value["offset"], shape_from(value["shape"])
        if not isinstance(offset, int) or offset < 0:
            raise ValueError("an offset")
        return offset, shape, dtype_of(str(value["dtype"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"gmemfs: {path}: {_PREFIX}{key} is none that gmemfs has written: {error}") from None


def _key_of(path: str) -> Optional[str]:
    """The longest name that the path ends in, of those that the file says. Directories above it may have been moved."""
    whole = os.path.abspath(path)
    keys = [name[len(_PREFIX):] for name in os.listxattr(path) if name.startswith(_PREFIX)]
    return max((key for key in keys if whole.endswith("/" + key)), key=len, default=None)


def _find(name: str, address: int, size: int) -> _Place:
    place = _Place(struct_size=ctypes.sizeof(_Place))
    code = _finder(name)(address, place)
    if code == errno.ENODATA:
        raise OSError(code, "the pool's memory is no file, because the mount didn't take it: the program's standard "
                      "error says why", name)
    if code == errno.ENOENT or (code == 0 and address + size > place.address + place.size):
        raise ValueError(f"gmemfs: {name}: memory at {address:#x} isn't the pool's: it is on the host, or was "
                         "allocated in a way that docs/pool.md lists as the driver's, or is a file's already")
    if code:
        raise OSError(code, os.strerror(code), name)
    return place


def _finder(name: str) -> Any:
    if "GMEMFS_POOL_DIR" in os.environ:
        try:
            found = ctypes.CDLL("libcuda.so.1").gmemfs_pool_find  # the pool's library, which stands in its place
            found.argtypes = [ctypes.c_uint64, ctypes.POINTER(_Place)]
            return found
        except (OSError, AttributeError):
            pass
    raise OSError(errno.ENOTSUP, "this program has no pool: run it by `gmemfs run --pool DIR`", name)


def _link(file: str, path: str, name: str, value: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    try:
        os.link(file, path)
    except FileExistsError as error:
        raise FileExistsError(error.errno, "there is such a file: take another name, or gmemfs.unname_tensor() it",
                              path) from None
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, f"the pool's file has been moved or renamed: {file}", path) from None
    try:
        os.setxattr(path, _PREFIX + name, value)
    except OSError as error:
        os.unlink(path)
        if error.errno == errno.ENOSPC:
            raise OSError(error.errno, f"{file} has as many names as its attributes have room for", path) from None
        raise


def _look_at(tensor: Any) -> _Seen:
    if callable(getattr(tensor, "data_ptr", None)):
        if not getattr(tensor, "is_contiguous", lambda: True)():
            raise ValueError("gmemfs: the tensor isn't contiguous, so its bytes are no array of its own: name a "
                             "contiguous() copy")
        return _Seen(dtype_of(tensor.dtype), shape_from(tensor.shape), tensor.data_ptr())
    interface = getattr(tensor, "__cuda_array_interface__", None)
    if interface is not None:
        source = _of_interface(tensor, interface)
        return _Seen(source.dtype, source.shape, source.address)
    if hasattr(tensor, "__dlpack__"):
        return _of_dlpack(tensor)
    raise TypeError(f"gmemfs: {tensor!r} has neither data_ptr(), nor the CUDA array interface, nor DLPack")


def _of_dlpack(tensor: Any) -> _Seen:
    try:
        capsule = tensor.__dlpack__(stream=-1)  # nothing is read, so nothing needs to be waited for
    except TypeError:
        capsule = tensor.__dlpack__()
    told = dlpack.look_at(capsule)  # which goes with its capsule
    dtype = dtype_of_dlpack(told.dtype)
    if not _is_in_rows(told.shape, told.byte_strides, size_of(dtype, (1,))) and count_of(told.shape):
        raise ValueError("gmemfs: the tensor isn't contiguous, so its bytes are no array of its own")
    return _Seen(dtype, told.shape, told.address)
