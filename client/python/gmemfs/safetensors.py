"""safetensors: load a .safetensors file that lies in a gmemfs mount without a copy."""
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from . import header as header_
from .array import Array
from .dtypes import DType, Shape
from .file import File, Mapping, Path, open as open_file

if TYPE_CHECKING:
    from .sharding import Shard

_JAX_ALIGNMENT = 16  # what XLA's first computation demands of a buffer


def read_header_of(fd: int) -> Tuple[bytes, int]:
    """The header of the very file that is open, whatever has its name by now, and the size of the data after it."""
    size = os.fstat(fd).st_size
    raw = _read(fd, header_.length_of(os.pread(fd, 8, 0), size), 8)
    return raw, size - 8 - len(raw)


def _has_header(file: File, raw: bytes) -> bool:
    try:
        return read_header_of(file.fileno())[0] == raw
    except ValueError:
        return False


def _read(fd: int, size: int, offset: int) -> bytes:
    parts: List[bytes] = []
    while size:
        parts.append(os.pread(fd, min(size, 1 << 30), offset))
        if not parts[-1]:
            raise ValueError("it has become shorter meanwhile")
        size, offset = size - len(parts[-1]), offset + len(parts[-1])
    return b"".join(parts)


def about(what: str, error: Exception) -> Exception:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"gmemfs: {what}: {str(error).removeprefix('gmemfs: ')}")


class _Part(NamedTuple):
    """A tensor of a mapped file."""
    file: File
    mapping: Mapping
    dtype: DType
    shape: Shape  # in elements, as frameworks count
    offset: int
    size: int

    def is_at_multiple_of(self, alignment: int) -> bool:
        return (self.mapping.address + self.offset) % alignment == 0

    def raw(self) -> Array:
        return self.mapping.array((self.size,), "uint8", self.offset)

    def whole(self) -> Array:
        return self.mapping.array(self.shape, self.dtype.name, self.offset)


def load_safetensors(path: Path, *, framework: Optional[str] = None, read_only: bool = False,
                     shard: Optional["Shard"] = None) -> Dict[str, Any]:
    """The tensors by name: gmemfs.Array each, or, with framework="torch" (or "pt"), "cupy" or "jax", that framework's
    own, over the file's memory. A tensor that lies where its type can't be loaded from (for JAX: at no multiple of 16)
    is copied on the device; without a framework it is an error. In what save_safetensors writes JAX alone has such, and
    only of sizes that aren't whole 16 bytes.

    `shard`: a rank's part alone, which a file of its own has, made of `path` where it isn't there yet: gmemfs.Shard.
    Then `path` may lie anywhere."""
    if shard is not None:
        _converter(framework)  # before anything is made
        from .sharding import make_shard  # who loads a model waits for the import, and doesn't need it
        path = make_shard(path, shard)
    return load_with_metadata(path, framework, read_only)[0]


def load_with_metadata(path: Path, framework: Optional[str], read_only: bool) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """The same, and the metadata of the same file."""
    convert = _converter(framework)
    with open_file(path) as file:
        try:
            raw, data_size = read_header_of(file.fileno())
            header = header_.parse(raw, data_size)
        except ValueError as error:
            raise about(f"{file.path}: no sound safetensors file", error) from None
        mapping = file.map(read_only=read_only)
        if mapping.size != header.data + data_size or not _has_header(file, raw):
            raise ValueError(f"gmemfs: {file.path}: it was written while it was loaded: load it again")
        tensors = {}
        for name, entry in header.tensors.items():
            try:
                shape = entry.dtype.shape_of(entry.shape)
                tensors[name] = convert(_Part(file, mapping, entry.dtype, shape, header.data + entry.begin,
                                              entry.end - entry.begin))
            except (ValueError, TypeError) as error:
                raise about(f"{file.path}: {name}", error) from None
        return tensors, header.metadata


def _to_array(part: _Part) -> Array:
    if not part.is_at_multiple_of(part.dtype.alignment):
        raise ValueError(f"it lies where {part.dtype.name} can't be loaded from: write the file anew with "
                         'save_safetensors, or use framework="torch"')
    return part.whole()


def _to_torch(part: _Part) -> Any:
    import torch
    dtype = getattr(torch, part.dtype.name, torch.uint8 if part.dtype.bits % 8 else None)
    if dtype is None:
        raise TypeError(f"PyTorch {torch.__version__} has no {part.dtype.name}")
    shape = part.whole()._shown_shape if part.dtype.bits % 8 else part.shape
    if part.size == 0:
        return torch.empty(shape, dtype=dtype, device=f"cuda:{part.mapping.device}")
    # By bytes: older releases don't know all types in DLPack.
    bytes_ = torch.from_dlpack(part.raw())
    if not part.is_at_multiple_of(part.dtype.alignment):
        bytes_ = bytes_.clone()
    return bytes_.view(dtype).reshape(shape)


def _to_cupy(part: _Part) -> Any:
    import cupy
    is_aligned = part.is_at_multiple_of(part.dtype.alignment)
    if part.dtype.typestr is not None and is_aligned:
        return cupy.asarray(part.whole())
    try:
        element = part.dtype.typestr or _cupy_bfloat16(part.dtype)
        raw = cupy.asarray(part.raw())
        return (raw if is_aligned else raw.copy()).view(element).reshape(part.shape)
    except (ImportError, AttributeError, TypeError):
        raise TypeError(f"CuPy {cupy.__version__} has no {part.dtype.name}") from None


def _cupy_bfloat16(dtype: DType) -> Any:
    import cupy
    import ml_dtypes
    if dtype.name != "bfloat16":
        raise TypeError
    return cupy.empty(1, ml_dtypes.bfloat16).dtype  # a TypeError before CuPy 14


def _to_jax(part: _Part) -> Any:
    import jax
    if part.is_at_multiple_of(_JAX_ALIGNMENT) and part.size:
        return jax.dlpack.from_dlpack(part.whole())
    if part.size == 0:
        return jax.numpy.zeros(part.shape, part.dtype.name)
    # A window that begins where JAX wants it, and JAX's own copy of the tensor in it.
    begin = part.offset // _JAX_ALIGNMENT * _JAX_ALIGNMENT
    window = jax.dlpack.from_dlpack(part.mapping.array((part.offset + part.size - begin,), "uint8", begin))
    if part.dtype.bits == 64:  # JAX computes with these when it is told to: it decides what becomes of them
        import numpy
        values = numpy.frombuffer(_read(part.file.fileno(), part.size, part.offset), part.dtype.name)
        return jax.device_put(values.reshape(part.shape), next(iter(window.devices())))
    bytes_ = window[part.offset - begin:]
    if part.dtype.name == "bool":
        return (bytes_ != 0).reshape(part.shape)
    if part.dtype.dlpack == (1, 8):  # bytes, or packed
        return bytes_.reshape(part.whole()._shown_shape)
    words = bytes_ if part.dtype.bits == 8 else bytes_.reshape(-1, part.dtype.bits // 8)
    return jax.lax.bitcast_convert_type(words, part.dtype.name).reshape(part.shape)


_CONVERTERS: Dict[Optional[str], Callable[[_Part], Any]] = {
    None: _to_array, "torch": _to_torch, "pt": _to_torch, "pytorch": _to_torch, "cupy": _to_cupy, "jax": _to_jax,
    "flax": _to_jax}


def _converter(framework: Optional[str]) -> Callable[[_Part], Any]:
    try:
        return _CONVERTERS[framework]
    except (KeyError, TypeError):
        raise ValueError(f"gmemfs: no such framework: {framework!r}; there are torch (or pt), cupy and jax") from None
