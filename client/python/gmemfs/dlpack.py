"""DLPack: capsules over device memory, which libgmemfs makes, and whose tensors it deletes: no Python runs then."""
import ctypes
from typing import Any, Optional, Tuple

from . import _abi

CPU, CUDA = 1, 2
_VERSIONED, _READ_ONLY = 1, 2


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
