"""Sources: what is to be saved, each as an element type, a shape and bytes in row order, on the host or on a device.

What can't be had as such (memory that isn't there, values that lie elsewhere) is refused, and nothing is guessed.
"""
import sys
from typing import Any, NamedTuple, Optional, Tuple

from . import _abi
from .array import Array
from .dtypes import DType, Shape, count_of, dtype_of, dtype_of_typestr, shape_from, size_of

_LEGACY_STREAM = 1  # the default one, which can't be captured


class Source(NamedTuple):
    dtype: DType
    shape: Shape
    size: int                   # in bytes, of which the value's own owner says the same
    host: Optional[memoryview]  # the bytes, or None where they are at
    address: int                # this one, on a device
    stream: int                 # that makes them, as the array interface counts; 0 where it doesn't say
    owner: Any                  # keeps them


def source_of(value: Any) -> Source:
    if isinstance(value, Array):
        return _make(value.element_type, value.shape, value.nbytes, value, address=value.address)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _of_torch(torch, value)
    interface = _interface_of(value)
    return _of_host(value) if interface is None else _of_interface(value, interface)


def _make(dtype: DType, shape: Shape, own_size: int, owner: Any, host: Optional[memoryview] = None, address: int = 0,
          stream: int = 0) -> Source:
    dtype.header_shape(shape)  # or the format can't have it
    size = size_of(dtype, shape)
    if size != own_size or (host is not None and host.nbytes != size):
        raise TypeError(f"{size} bytes of {dtype.name} of shape {shape} are {own_size} where they come from")
    if host is None and size and not address:
        raise ValueError("it has no memory")
    return Source(dtype, shape, size, host, address, stream, owner)


def _is_capturing(torch: Any) -> bool:
    try:
        return bool(torch.cuda.is_current_stream_capturing())
    except RuntimeError:  # of the legacy stream, while another thread captures a stream that this one waits for:
        return False      # cudaErrorStreamCaptureImplicit (cudaStreamIsCapturing). It can't be captured itself


def _of_torch(torch: Any, value: Any) -> Source:
    dtype = dtype_of(value.dtype)
    has_plain_memory = (value.layout is torch.strided and not value.is_nested and not value.is_meta and
                        type(value).__torch_dispatch__ is torch.Tensor.__torch_dispatch__)
    if not has_plain_memory:
        raise ValueError(f"it is no plain tensor in memory ({type(value).__name__}, {value.layout}, {value.device}): "
                         "make it one first, by to_dense(), full_tensor() or dequantize()")
    value = value.detach().as_subclass(torch.Tensor)
    last = sum((length - 1) * stride for length, stride in zip(value.shape, value.stride()))
    if value.numel() and (value.storage_offset() + last + 1) * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError("its storage was freed")
    if value.is_cuda and _is_capturing(torch):
        raise ValueError("the current stream is being captured: save after the capture")
    if not value.is_cuda:
        if torch.cuda.is_initialized() and value.is_pinned():
            _abi.wait()  # a copy to it with non_blocking=True may be under way
        value = value.cpu()
    value = value.resolve_conj().resolve_neg().contiguous()
    shape = tuple(value.shape)
    if value.is_cuda:
        return _make(dtype, shape, value.nbytes, value, address=value.data_ptr())
    host = memoryview(value.reshape(-1).view(torch.uint8).numpy()) if value.numel() else memoryview(b"")
    return _make(dtype, shape, value.nbytes, value, host)


def _interface_of(value: Any) -> Any:
    try:
        return value.__cuda_array_interface__
    except (AttributeError, ValueError, RuntimeError):  # JAX, of what lies on several devices
        return None


def _of_interface(value: Any, interface: Any) -> Source:
    """CuPy, Numba, JAX and whoever else speaks the CUDA array interface, version 3."""
    typestr, shape = interface["typestr"], shape_from(interface["shape"])
    dtype = dtype_of_typestr(typestr, getattr(value, "dtype", None))
    if interface.get("mask") is not None:
        raise ValueError("it has a mask")
    if not _is_in_rows(shape, interface.get("strides"), size_of(dtype, (1,))):
        raise ValueError("its elements don't lie in row order: copy it first, say by cupy.ascontiguousarray")
    stream = interface.get("stream")
    if stream == 0:
        raise ValueError("its stream is 0, which the array interface forbids: 1 is the default stream")
    if stream not in (None, _LEGACY_STREAM) and _abi.driver().is_capturing(stream):
        raise ValueError("its stream is being captured: save after the capture")
    if hasattr(value, "block_until_ready"):
        value.block_until_ready()  # JAX tells no stream
    own_size = getattr(value, "nbytes", count_of(shape) * int(typestr[2:]))
    return _make(dtype, shape, own_size, value, address=interface["data"][0] or 0, stream=stream or 0)


def _is_in_rows(shape: Shape, strides: Optional[Tuple[int, ...]], item_size: int) -> bool:
    if strides is None or not count_of(shape):
        return True
    step = item_size
    for length, stride in zip(reversed(shape), reversed(strides)):
        if length != 1 and stride != step:
            return False
        step *= length
    return True


def _of_host(value: Any) -> Source:
    """NumPy, and what NumPy makes an array of."""
    import numpy
    if isinstance(value, numpy.ma.MaskedArray):
        raise ValueError("it has a mask: save filled() values, and the mask by itself")
    array = numpy.asarray(value)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    dtype = dtype_of(array.dtype)
    is_numpys = isinstance(value, (numpy.ndarray, numpy.generic))
    if not is_numpys and hasattr(value, "dtype") and dtype_of(value.dtype) != dtype:
        raise TypeError(f"NumPy has {array.dtype} for its {value.dtype}")  # bfloat16 as bare words, say
    host: Any = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8)
    return _make(dtype, array.shape, array.nbytes, array, memoryview(host))
