"""Array: a part of a mapping as elements of one type, contiguous, which frameworks take without a copy."""
import operator
import sys
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Tuple

from . import dlpack
from .dtypes import DType, dtype_of, shape_from, size_of

if TYPE_CHECKING:
    from .file import Mapping


class Array:
    """Holds its mapping. `torch.from_dlpack(array)`, `cupy.asarray(array)`, `jax.dlpack.from_dlpack(array)`."""

    def __init__(self, mapping: "Mapping", offset: int, shape: Sequence[int], dtype: object) -> None:
        mapping._check()
        self._mapping = mapping
        self._dtype = dtype_of(dtype)
        self.shape: Tuple[int, ...] = shape_from(shape)
        self.nbytes = size_of(self._dtype, self.shape)
        offset = operator.index(offset)
        if offset < 0 or offset + self.nbytes > mapping.size:  # its memory goes on, but nobody else reads that
            raise ValueError(f"gmemfs: {mapping.path}: {self.nbytes} bytes at offset {offset} are past the end of the "
                             f"file, {mapping.size} bytes: resize it, and map it again")
        if (mapping.address + offset) % self._dtype.alignment:
            raise ValueError(f"gmemfs: {mapping.path}: {self._dtype.name} can't lie at offset {offset}: "
                             f"kernels load it at multiples of {self._dtype.alignment}")
        self.offset = offset

    @property
    def dtype(self) -> str:
        return self._dtype.name

    @property
    def element_type(self) -> DType:
        return self._dtype

    @property
    def mapping(self) -> "Mapping":
        return self._mapping

    @property
    def address(self) -> int:
        """Device address of the first element. ValueError once its mapping is unmapped."""
        self._mapping._check()
        return self._mapping.address + self.offset

    def view(self, shape: Sequence[int], dtype: object) -> "Array":
        """The same bytes as other elements."""
        other = Array(self._mapping, self.offset, shape, dtype)
        if other.nbytes != self.nbytes:
            raise ValueError(f"gmemfs: {self.nbytes} bytes can't be seen as {other.nbytes}")
        return other

    def as_bytes(self) -> "Array":
        return self.view((self.nbytes,), "uint8")

    @property
    def _shown_shape(self) -> Tuple[int, ...]:
        """The shape of what DLPack and the array interface show: bytes, where elements are packed."""
        if self._dtype.bits >= 8 or not self.shape:
            return self.shape
        if self.shape[-1] * self._dtype.bits % 8:
            return (self.nbytes,)
        return (*self.shape[:-1], self.shape[-1] * self._dtype.bits // 8)

    def __dlpack_device__(self) -> Tuple[int, int]:
        return (dlpack.CUDA, self._mapping.device)

    def __dlpack__(self, *, stream: Optional[int] = None, max_version: Optional[Tuple[int, int]] = None,
                   dl_device: Optional[Tuple[int, int]] = None, copy: Optional[bool] = None) -> Any:
        # Nothing of ours is queued on any stream, so there is nothing for the consumer's stream to wait for.
        if copy:
            raise BufferError("gmemfs: this is the file's own memory: copy it in the framework")
        if dl_device is not None and tuple(dl_device) != self.__dlpack_device__():
            raise BufferError("gmemfs: this is device memory: move it in the framework")
        self._check_for_jax(sys._getframe(1).f_globals.get("__name__", ""))
        return dlpack.make_capsule(self._mapping, self.address, self.__dlpack_device__(), self._dtype.dlpack,
                                   self._shown_shape, self._mapping.read_only, max_version)

    @property
    def __cuda_array_interface__(self) -> Dict[str, Any]:
        if self._dtype.typestr is None:
            raise AttributeError(f"gmemfs: the array interface has no {self._dtype.name}: use DLPack")
        self._check_for_jax(sys._getframe(1).f_globals.get("__name__", ""))
        return {"shape": self._shown_shape, "typestr": self._dtype.typestr, "version": 3, "strides": None,
                "data": (self.address if self.nbytes else 0, self._mapping.read_only), "stream": None}

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        """For NumPy, where the file lives in host memory. AttributeError where it is device memory."""
        if not self._mapping.host_address:
            raise AttributeError("gmemfs: this is device memory: NumPy can't see it")
        if self._dtype.typestr is None:
            raise AttributeError(f"gmemfs: the array interface has no {self._dtype.name}")
        self._mapping._check()
        return {"shape": self._shown_shape, "typestr": self._dtype.typestr, "version": 3, "strides": None,
                "data": (self._mapping.host_address + self.offset if self.nbytes else 0, self._mapping.read_only)}

    def _check_for_jax(self, module: str) -> None:
        """JAX takes any address, and its first computation fails. No protocol says who asks; its module's name does."""
        if module.partition(".")[0] == "jax" and self.nbytes and self.address % 16:
            raise BufferError(f"gmemfs: {self._mapping.path}: offset {self.offset} is no multiple of 16, as JAX wants: "
                              'use load_safetensors(framework="jax"), which copies it, or another offset')

    def __repr__(self) -> str:
        return f"gmemfs.Array({self._mapping.path!r}, shape={self.shape}, dtype={self.dtype!r}, offset={self.offset})"
