"""DLPack (dlpack.h 1.1): capsules over device memory, by ctypes; each keeps its owner alive until it is deleted."""
import ctypes
import itertools
from typing import Any, Dict, Optional, Tuple

CPU, CUDA = 1, 2
_FLAG_READ_ONLY = 1


class _Device(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class _DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("device", _Device), ("ndim", ctypes.c_int32), ("dtype", _DataType),
                ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
                ("byte_offset", ctypes.c_uint64)]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("manager", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("manager", ctypes.c_void_p),
                ("deleter", _Deleter), ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


_python = ctypes.pythonapi
_python.PyCapsule_New.restype = ctypes.py_object
_python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_python.PyCapsule_IsValid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
_python.PyCapsule_GetPointer.restype = ctypes.c_void_p
_python.PyCapsule_GetPointer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]

_NAME, _NAME_VERSIONED = b"dltensor", b"dltensor_versioned"
_alive: Dict[int, Tuple[Any, ...]] = {}  # what each tensor that is out holds on to, by its number
_numbers = itertools.count(1)


@_Deleter
def _delete(address: int) -> None:
    _alive.pop(_Managed.from_address(address).manager, None)


@_Deleter
def _delete_versioned(address: int) -> None:
    _alive.pop(_Versioned.from_address(address).manager, None)


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _capsule_gone(capsule: int) -> None:
    # Whoever took the tensor has renamed the capsule, and deletes the tensor itself.
    if _python.PyCapsule_IsValid(capsule, _NAME):
        _delete(_python.PyCapsule_GetPointer(capsule, _NAME))
    elif _python.PyCapsule_IsValid(capsule, _NAME_VERSIONED):
        _delete_versioned(_python.PyCapsule_GetPointer(capsule, _NAME_VERSIONED))


# A framework may delete its last tensors when this module's names are gone already.
for _callback in (_delete, _delete_versioned, _capsule_gone):
    _python.Py_IncRef(ctypes.py_object(_callback))


def make_capsule(owner: Any, address: int, device: Tuple[int, int], dtype: Tuple[int, int], shape: Tuple[int, ...],
                 read_only: bool, max_version: Optional[Tuple[int, int]]) -> Any:
    """A contiguous tensor at `address`. `owner` lives until whoever takes the capsule deletes the tensor."""
    is_versioned = max_version is not None and max_version >= (1, 0)
    if read_only and not is_versioned:
        raise BufferError("gmemfs: a read-only mapping needs DLPack 1.0, which this consumer doesn't speak: "
                          "map it for writing, or update the framework")
    managed = _Versioned() if is_versioned else _Managed()
    lengths = (ctypes.c_int64 * len(shape))(*shape)
    strides = (ctypes.c_int64 * len(shape))()
    step = 1
    for index in range(len(shape) - 1, -1, -1):
        strides[index] = step
        step *= shape[index]
    tensor = managed.tensor
    tensor.data = address
    tensor.device = _Device(*device)
    tensor.ndim = len(shape)
    tensor.dtype = _DataType(dtype[0], dtype[1], 1)
    tensor.shape = lengths
    tensor.strides = strides
    managed.manager = next(_numbers)
    managed.deleter = _delete_versioned if is_versioned else _delete
    if is_versioned:
        managed.major, managed.minor, managed.flags = 1, 0, _FLAG_READ_ONLY if read_only else 0
    _alive[managed.manager] = (managed, lengths, strides, owner)
    return _python.PyCapsule_New(ctypes.addressof(managed), _NAME_VERSIONED if is_versioned else _NAME,
                                 ctypes.cast(_capsule_gone, ctypes.c_void_p))
