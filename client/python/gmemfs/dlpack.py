"""DLPack: capsules over device memory, which libgmemfs makes, and whose tensors it deletes: no Python runs then."""
import ctypes
from typing import Any, NamedTuple, Optional, Tuple

from . import _abi

CPU, CUDA = 1, 2
_VERSIONED, _READ_ONLY = 1, 2
_get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi))


class _Tensor(ctypes.Structure):  # DLTensor of dlpack.h
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):  # DLManagedTensorVersioned
    _fields_ = [("version", ctypes.c_uint32 * 2), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
                ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


class Told(NamedTuple):
    address: int
    dtype: Tuple[int, int]  # code and bits
    shape: Tuple[int, ...]
    byte_strides: Optional[Tuple[int, ...]]


def look_at(capsule: Any) -> Told:
    """What another library's capsule says, which is left as it is. TypeError: it is none, or has vectors."""
    try:
        tensor = _Tensor.from_address(_get_pointer(capsule, b"dltensor"))
    except ValueError:
        try:
            tensor = _Versioned.from_address(_get_pointer(capsule, b"dltensor_versioned")).tensor
        except ValueError:
            raise TypeError(f"gmemfs: {capsule!r} is no DLPack capsule") from None
    if tensor.lanes != 1:
        raise TypeError("gmemfs: DLPack vectors are no element type here")
    axes = range(tensor.ndim)
    strides = tuple(tensor.strides[axis] * tensor.bits // 8 for axis in axes) if tensor.strides else None
    return Told((tensor.data or 0) + tensor.byte_offset, (tensor.code, tensor.bits),
                tuple(tensor.shape[axis] for axis in axes), strides)


def make_capsule(owner: Any, address: int, device: Tuple[int, int], dtype: Tuple[int, int], shape: Tuple[int, ...],
                 read_only: bool, max_version: Optional[Tuple[int, int]]) -> Any:
    """A contiguous tensor at `address`. `owner`, a Mapping, stays mapped until whoever takes the capsule deletes the
    tensor."""
    is_versioned = max_version is not None and tuple(max_version) >= (1, 0)
    if read_only and not is_versioned:
        raise BufferError("gmemfs: a read-only mapping needs DLPack 1.0, which this consumer doesn't speak: "
                          "map it for writing, or update the framework")
    options = _abi.TensorOptions(
        struct_size=ctypes.sizeof(_abi.TensorOptions),
        flags=(_VERSIONED if is_versioned else 0) | (_READ_ONLY if read_only else 0), address=address,
        device_type=device[0], device_id=device[1], dtype_code=dtype[0], dtype_bits=dtype[1], ndim=len(shape),
        shape=(ctypes.c_int64 * len(shape))(*shape))
    code = ctypes.c_int(0)
    try:
        return _abi.holding_lock().gmemfs_make_capsule(owner.handle, options, code)
    except ValueError:  # ctypes' own, of a null pointer
        _abi.check(code.value, owner.path)
        raise
