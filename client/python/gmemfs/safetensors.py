"""safetensors: load a .safetensors file that lies in a gmemfs mount without a copy, and write one.

    8 bytes    length of the header, little-endian
    header     JSON: {"NAME": {"dtype": "F16", "shape": [..], "data_offsets": [begin, end]}, "__metadata__": {..}}
    data       the tensors' bytes, without a gap
"""
import json
import os
from typing import Any, Dict, List, Mapping as MappingOf, Optional, Tuple

from . import _abi
from .array import Array
from .dtypes import BY_SAFETENSORS, DType, dtype_of, size_of
from .file import Path, open as open_file

_HEADER_MAX = 100_000_000  # as the reference implementation has it
_DATA_ALIGNMENT = 256      # where the data begin in what is written here: DLPack's own wish


def read_header(path: Path) -> Tuple[Dict[str, Any], int]:
    """The header, checked, and where the data begin."""
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(_HEADER_MAX, size - 8):
            raise ValueError(f"gmemfs: {os.fspath(path)}: no safetensors file: its header would be {length} bytes")
        try:
            header = json.loads(file.read(length))
            tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
            for name, entry in tensors.items():
                _check_entry(name, entry, size - 8 - length)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"gmemfs: {os.fspath(path)}: no sound safetensors header: {error}") from None
    return header, 8 + length


def _check_entry(name: str, entry: MappingOf[str, Any], data_size: int) -> None:
    begin, end = entry["data_offsets"]
    dtype = BY_SAFETENSORS.get(entry["dtype"])
    if dtype is None:
        raise ValueError(f"{name}: unknown dtype {entry['dtype']}")
    if not 0 <= begin <= end <= data_size or end - begin != size_of(dtype, tuple(entry["shape"])):
        raise ValueError(f"{name}: its offsets {begin}, {end} don't fit its shape or the file")


def load_safetensors(path: Path, *, framework: Optional[str] = None, read_only: bool = False) -> Dict[str, Any]:
    """The tensors by name: gmemfs.Array each, or, with framework="torch", "cupy" or "jax", that framework's own, over
    the file's memory. A tensor that lies where its type can't be loaded from is copied on the device by torch and cupy;
    without a framework it is an error (save_safetensors writes files in which there is none)."""
    header, data = read_header(path)
    with open_file(path) as file:
        mapping = file.map(read_only=read_only)
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = BY_SAFETENSORS[entry["dtype"]]
        begin, end = entry["data_offsets"]
        shape = tuple(entry["shape"])
        is_aligned = (mapping.address + data + begin) % dtype.alignment == 0
        if is_aligned and framework is None:
            tensors[name] = mapping.array(shape, dtype.name, data + begin)
        elif framework is None:
            raise ValueError(f"gmemfs: {os.fspath(path)}: {name} lies where {dtype.name} can't be loaded from: "
                             'write the file anew with save_safetensors, or use framework="torch"')
        else:
            raw = mapping.array((end - begin,), "uint8", data + begin)
            whole = mapping.array(shape, dtype.name, data + begin) if is_aligned else None
            tensors[name] = _CONVERTERS[framework](raw, whole, dtype, shape)
    return tensors


def _to_torch(raw: Array, whole: Optional[Array], dtype: DType, shape: Tuple[int, ...]) -> Any:
    import torch
    if raw.nbytes == 0:
        return torch.empty(shape, dtype=getattr(torch, dtype.name), device=f"cuda:{raw.mapping.device}")
    # By bytes: older releases don't know all types in DLPack.
    bytes_ = torch.from_dlpack(raw)
    if dtype.bits < 8:
        return bytes_
    return (bytes_ if whole is not None else bytes_.clone()).view(getattr(torch, dtype.name)).reshape(shape)


def _to_cupy(raw: Array, whole: Optional[Array], dtype: DType, shape: Tuple[int, ...]) -> Any:
    import cupy
    if dtype.typestr is None:
        raise TypeError(f"gmemfs: CuPy has no {dtype.name}")
    if whole is not None:
        return cupy.asarray(whole)
    return cupy.asarray(raw).copy().view(dtype.typestr).reshape(shape)


def _to_jax(raw: Array, whole: Optional[Array], dtype: DType, shape: Tuple[int, ...]) -> Any:
    import jax
    if whole is None:
        raise ValueError(f"gmemfs: {raw.mapping.path}: {dtype.name} of shape {shape} lies unaligned: "
                         "write the file anew with save_safetensors")
    return jax.dlpack.from_dlpack(whole)


_CONVERTERS = {"torch": _to_torch, "cupy": _to_cupy, "jax": _to_jax}


class _Source:
    """What is to be written: its type, its shape, and where its bytes are: on the host, or at a device address."""

    def __init__(self, value: Any) -> None:
        self.host: Optional[memoryview] = None
        self.address = 0
        self.keep = value
        if isinstance(value, Array):
            self.dtype, self.shape, self.address = value.element_type, value.shape, value.address
        elif hasattr(value, "data_ptr"):  # torch
            self.keep = value = value.detach().contiguous()
            self.dtype, self.shape = dtype_of(value.dtype), tuple(value.shape)
            if value.is_cuda:
                self.address = value.data_ptr()
            else:
                import torch
                self.host = memoryview(value.reshape(-1).view(torch.uint8).numpy())
        elif hasattr(value, "__cuda_array_interface__"):  # CuPy, Numba
            interface = value.__cuda_array_interface__
            if interface.get("strides") is not None:
                raise ValueError("gmemfs: only contiguous arrays can be written: copy it first")
            by_typestr = {dtype.typestr: dtype for dtype in reversed(list(BY_SAFETENSORS.values()))}
            self.dtype, self.shape = by_typestr[interface["typestr"]], tuple(interface["shape"])
            self.address = interface["data"][0]
        else:
            import numpy
            array = numpy.ascontiguousarray(value)
            self.keep = array
            self.dtype, self.shape = dtype_of(array.dtype), tuple(numpy.shape(value))
            self.host = memoryview(array.reshape(-1).view(numpy.uint8))
        self.size = size_of(self.dtype, self.shape)


def save_safetensors(tensors: MappingOf[str, Any], path: Path, metadata: Optional[MappingOf[str, str]] = None) -> None:
    """Writes torch tensors, CuPy, NumPy and gmemfs arrays to a new file in the mount, which takes the place of an old
    one when it is whole. Each tensor lies where its type can be loaded from."""
    sources = {name: _Source(value) for name, value in tensors.items()}
    order: List[str] = sorted(sources, key=lambda name: -sources[name].dtype.alignment)  # so that none leaves a gap
    header: Dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in order:
        source = sources[name]
        header[name] = {"dtype": source.dtype.safetensors, "shape": list(source.shape),
                        "data_offsets": [end, end + source.size]}
        end += source.size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _DATA_ALIGNMENT)
    data = 8 + len(text)
    folder, name = os.path.split(os.fspath(path))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        with open_file(temporary, max(data + end, 1), mode=0o666) as file:
            _write(file.fileno(), len(text).to_bytes(8, "little") + text, 0)
            for name in order:
                source, offset = sources[name], data + header[name]["data_offsets"][0]
                if source.host is not None:
                    _write(file.fileno(), source.host, offset)
            if any(source.host is None and source.size for source in sources.values()):
                with file.map() as mapping:
                    for name in order:
                        source, offset = sources[name], data + header[name]["data_offsets"][0]
                        if source.host is None and source.size:
                            _abi.driver().copy(mapping.address + offset, source.address, source.size)
            file.seal()
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass
        raise


def _write(fd: int, data: Any, offset: int) -> None:
    view = memoryview(data).cast("B")
    while view:
        count = os.pwrite(fd, view[:1 << 30], offset)
        view, offset = view[count:], offset + count
