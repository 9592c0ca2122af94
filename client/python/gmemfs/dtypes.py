"""Element types: their names, sizes and codes in safetensors, DLPack and the array interface."""
import operator
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

Shape = Tuple[int, ...]


class DType(NamedTuple):
    name: str                      # as NumPy, PyTorch and JAX call it
    bits: int                      # of one element
    safetensors: str               # the name in a .safetensors header
    dlpack: Tuple[int, int]        # type code and bits of DLPack (dlpack.h 1.1)
    typestr: Optional[str]         # of __cuda_array_interface__; None where NumPy has no such type
    values: int = 1                # how many of a header's values one element holds

    @property
    def alignment(self) -> int:
        """Bytes: where a kernel may load an element."""
        return max(1, self.bits // 8)

    def header_shape(self, shape: Shape) -> Shape:
        """The shape as a .safetensors header has it."""
        if self.values == 1:
            return shape
        if not shape:
            raise ValueError(f"a single {self.name} is {self.values} values of {self.safetensors}: give it a dimension")
        return (*shape[:-1], shape[-1] * self.values)

    def shape_of(self, header_shape: Shape) -> Shape:
        """The other way round."""
        if self.values == 1:
            return header_shape
        if not header_shape or header_shape[-1] % self.values:
            raise ValueError(f"rows of {self.safetensors} of shape {list(header_shape)} are no whole {self.name}")
        return (*header_shape[:-1], header_shape[-1] // self.values)


_INT, _UINT, _FLOAT, _BFLOAT, _COMPLEX, _BOOL = 0, 1, 2, 4, 5, 6
_TABLE = [
    DType("bool", 8, "BOOL", (_BOOL, 8), "|b1"),
    DType("uint8", 8, "U8", (_UINT, 8), "|u1"),
    DType("int8", 8, "I8", (_INT, 8), "|i1"),
    DType("uint16", 16, "U16", (_UINT, 16), "<u2"),
    DType("int16", 16, "I16", (_INT, 16), "<i2"),
    DType("uint32", 32, "U32", (_UINT, 32), "<u4"),
    DType("int32", 32, "I32", (_INT, 32), "<i4"),
    DType("uint64", 64, "U64", (_UINT, 64), "<u8"),
    DType("int64", 64, "I64", (_INT, 64), "<i8"),
    DType("float16", 16, "F16", (_FLOAT, 16), "<f2"),
    DType("bfloat16", 16, "BF16", (_BFLOAT, 16), None),
    DType("float32", 32, "F32", (_FLOAT, 32), "<f4"),
    DType("float64", 64, "F64", (_FLOAT, 64), "<f8"),
    DType("complex64", 64, "C64", (_COMPLEX, 64), "<c8"),
    DType("float8_e4m3fn", 8, "F8_E4M3", (10, 8), None),
    DType("float8_e4m3fnuz", 8, "F8_E4M3FNUZ", (11, 8), None),
    DType("float8_e5m2", 8, "F8_E5M2", (12, 8), None),
    DType("float8_e5m2fnuz", 8, "F8_E5M2FNUZ", (13, 8), None),
    DType("float8_e8m0fnu", 8, "F8_E8M0", (14, 8), None),
    # Packed. Frameworks are handed bytes. F4 is PyTorch's type: a byte an element, two values in it. No framework packs
    # F6: an element is 6 bits, and the bytes' last dimension is shorter by a quarter.
    DType("float4_e2m1fn_x2", 8, "F4", (_UINT, 8), "|u1", values=2),
    DType("float6_e2m3fn", 6, "F6_E2M3", (_UINT, 8), "|u1"),
    DType("float6_e3m2fn", 6, "F6_E3M2", (_UINT, 8), "|u1"),
]
BY_NAME: Dict[str, DType] = {dtype.name: dtype for dtype in _TABLE}
BY_SAFETENSORS: Dict[str, DType] = {dtype.safetensors: dtype for dtype in _TABLE}
_BY_DLPACK: Dict[Tuple[int, int], DType] = {dtype.dlpack: dtype for dtype in reversed(_TABLE)}  # as below
_BY_TYPESTR: Dict[Optional[str], DType] = {dtype.typestr: dtype for dtype in reversed(_TABLE)}  # U8, not F4, is |u1


def dtype_of(value: object) -> DType:
    """Of a name, a NumPy dtype or scalar type, or a framework's dtype (torch.float16)."""
    name = getattr(value, "name", None) or getattr(value, "__name__", None) or str(value)
    found = BY_NAME.get(name.split(".")[-1]) or BY_SAFETENSORS.get(name)
    if getattr(value, "byteorder", None) == ">":
        raise TypeError(f"gmemfs: {value!r} is big-endian, which no device computes with: swap its bytes first")
    # ml_dtypes has six bits in a byte each; only a name means the packed type.
    if found is not None and found.bits % 8 and not isinstance(value, (str, DType)):
        found = None
    if found is None:
        raise TypeError(f"gmemfs: no such element type: {value!r}; there are: {', '.join(BY_NAME)}")
    return found


def dtype_of_typestr(typestr: str, dtype: Any) -> DType:
    """Of the array interface's code, or, where NumPy has none, of the array's own `dtype`."""
    found = _BY_TYPESTR.get(typestr)
    return found if found is not None else dtype_of(typestr if dtype is None else dtype)


def dtype_of_dlpack(code: Tuple[int, int]) -> DType:
    """Of DLPack's type code and bits."""
    found = _BY_DLPACK.get(code)
    if found is None:
        raise TypeError(f"gmemfs: no such element type: DLPack's {code[0]} of {code[1]} bits")
    return found


def shape_from(lengths: Sequence[int]) -> Shape:
    """Whole numbers, of whatever integer type."""
    shape = tuple(operator.index(length) for length in lengths)
    if any(length < 0 for length in shape):
        raise ValueError(f"gmemfs: a shape of negative length: {shape}")
    return shape


def count_of(shape: Shape) -> int:
    count = 1
    for length in shape:
        count *= length
    return count


def size_of(dtype: DType, shape: Shape) -> int:
    """Bytes; packed elements fill whole bytes."""
    bits = count_of(shape) * dtype.bits
    if bits % 8:
        raise ValueError(f"gmemfs: {dtype.name} of shape {shape} doesn't fill whole bytes")
    return bits // 8
