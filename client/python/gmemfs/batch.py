"""Batches of pages, packed by processors or by the GPU: gmemfs_ring of libgmemfs (docs/batch.md).

    with gmemfs.Ring() as ring:
        packed = ring.pack(pages, page_size=4096, algorithm="zstd").result()
        ring.unpack(packed, into=buffer).result()

Pages are any buffer of bytes (bytes, NumPy, mmap), or memory of a device (whatever has __cuda_array_interface__).
"""
import ctypes
import errno
import importlib.util
import pathlib
import weakref
from typing import Any, Dict, NamedTuple, Optional, Tuple

from . import _abi

ALGORITHMS = {"lz4": 1, "zstd": 2}
BACKENDS = {"auto": 0, "cpu": 1, "gpu": 2}
_BACKEND_NAMES = {number: name for name, number in BACKENDS.items()}
_CHOICES = ("named", "only", "model", "measured")
_FOREVER = -1


class _Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("slots", ctypes.c_uint), ("threads", ctypes.c_uint),
                ("staging", ctypes.c_uint64), ("device", ctypes.c_int), ("driver", ctypes.c_char_p),
                ("nvcomp", ctypes.c_char_p), ("model", ctypes.c_char_p)]


class _Batch(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("algorithm", ctypes.c_int), ("backend", ctypes.c_int),
                ("memory", ctypes.c_int), ("page_size", ctypes.c_size_t), ("page_count", ctypes.c_uint64),
                ("pages", ctypes.c_uint64), ("packed", ctypes.c_void_p), ("packed_size", ctypes.c_uint64),
                ("sizes", ctypes.c_void_p), ("checksums", ctypes.c_void_p)]


class _Result(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t),
                *((name, ctypes.c_uint64) for name in ("to_device_ns", "compute_ns", "from_device_ns", "total_ns",
                                                       "plain_size", "packed_size")),
                ("ratio", ctypes.c_double), ("bytes_per_second", ctypes.c_double),
                *((name, ctypes.c_int) for name in ("compute_outweighs", "backend", "choice")),
                ("predicted_ns", ctypes.c_uint64), ("measuring_ns", ctypes.c_uint64)]


class BatchInfo(NamedTuple):
    """What gmemfs_batch_result tells."""
    to_device_ns: int
    compute_ns: int
    from_device_ns: int
    total_ns: int
    plain_size: int
    packed_size: int
    ratio: float
    bytes_per_second: float
    compute_outweighs: bool
    backend: str  # cpu, gpu
    choice: str   # named, only, model, measured
    predicted_ns: int
    measuring_ns: int


class Packed(NamedTuple):
    """The streams of a batch, one behind the other, with a size and a CRC32C (or none) each."""
    algorithm: str
    page_size: int
    data: Any
    sizes: Any      # buffers of 32-bit words
    checksums: Any  # None: not known, so that only the processors unpack them
    info: Optional[BatchInfo] = None


def _address_of(buffer: Any) -> Tuple[int, int, Any]:
    """Address and bytes of a buffer, also of one that can't be written, and what holds it."""
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError("gmemfs: the buffer isn't contiguous")
    if view.nbytes == 0:
        return 0, 0, view
    view = view.cast("B")
    if not view.readonly:
        held = (ctypes.c_char * view.nbytes).from_buffer(view)
        return ctypes.addressof(held), view.nbytes, held
    raw = buffer if isinstance(buffer, bytes) else bytes(view)  # what can only be read is copied, but for bytes
    pointer = ctypes.c_char_p(raw)
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0, len(raw), (pointer, raw)


def _pages_of(pages: Any) -> Tuple[int, int, int, Any]:
    """Address, bytes, kind of memory, and what holds them."""
    interface = getattr(pages, "__cuda_array_interface__", None)
    if interface is None:
        address, size, held = _address_of(pages)
        return address, size, 0, held
    from .sources import source_of
    source = source_of(pages)  # refuses what doesn't lie in row order
    if source.stream > 1:
        _abi.driver().call("cuStreamSynchronize", ctypes.c_void_p(source.stream))
    else:
        _abi.wait()  # for whatever makes them
    return source.address, source.size, 1, source.owner


def _find_nvcomp() -> Optional[bytes]:
    """Of this Python's own packages; None leaves the search to libgmemfs."""
    try:
        found = importlib.util.find_spec("nvidia.libnvcomp")
    except (ImportError, ValueError):
        return None
    for folder in (found.submodule_search_locations or ()) if found else ():
        for library in sorted(pathlib.Path(folder).glob("lib64/libnvcomp.so.6")):
            return _abi.encode(library)
    return None


def _library() -> Any:
    loaded = _abi.library()
    if loaded.gmemfs_pack_batch.argtypes is None:
        pointer, ticket = ctypes.c_void_p, ctypes.c_uint64
        batch, result = ctypes.POINTER(_Batch), ctypes.POINTER(_Result)
        for function, arguments in {"gmemfs_open_ring": [ctypes.POINTER(_Options), pointer],
                                    "gmemfs_unpack_batch": [pointer, batch, ctypes.POINTER(ticket)],
                                    "gmemfs_poll_batch": [pointer, ticket, result],
                                    "gmemfs_wait_batch": [pointer, ticket, ctypes.c_int, result],
                                    "gmemfs_pack_batch": [pointer, batch, ctypes.POINTER(ticket)]}.items():
            getattr(loaded, function).restype = ctypes.c_int
            getattr(loaded, function).argtypes = arguments
        loaded.gmemfs_close_ring.argtypes = [pointer]
        loaded.gmemfs_close_ring.restype = None
        loaded.gmemfs_get_packed_bound.argtypes = [ctypes.c_int, ctypes.c_size_t]
        loaded.gmemfs_get_packed_bound.restype = ctypes.c_size_t
    return loaded


def _fail(code: int) -> None:
    text = _library().gmemfs_last_error().decode(errors="replace")
    if code in (errno.EINVAL, errno.EBADF, errno.EBADMSG):
        raise ValueError(f"gmemfs: {text}")
    raise OSError(code, text)


class Pending:
    """A batch that was submitted. What it reads and writes is held until its result is collected."""

    def __init__(self, ring: "Ring", ticket: int, value: Any) -> None:
        self._ring, self._ticket, self._value = ring, ticket, value
        self._failed: Optional[BaseException] = None
        self._is_done = False

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        if not self._is_done:
            self._collect(0)
        return self._is_done

    def result(self, timeout: Optional[float] = None) -> Any:
        """Of pack(): Packed; of unpack(): BatchInfo. Raises TimeoutError after so many seconds; ValueError of damaged
        streams; OSError (ENOTSUP: no nvCOMP) else."""
        if not self._is_done:
            self._collect(_FOREVER if timeout is None else min(int(timeout * 1000), (1 << 31) - 1))
        if not self._is_done:
            raise TimeoutError("gmemfs: the batch hasn't ended yet")
        if self._failed is not None:
            raise self._failed
        return self._value

    def _collect(self, timeout_ms: int) -> None:
        told = _Result(struct_size=ctypes.sizeof(_Result))
        code = _library().gmemfs_wait_batch(self._ring._handle(), self._ticket, timeout_ms, ctypes.byref(told))
        if code == errno.EINPROGRESS:
            return
        self._is_done = True
        self._ring._held.pop(self._ticket, None)
        try:
            if code != 0:
                _fail(code)
        except (OSError, ValueError) as error:
            self._failed = error
            return
        names = [name for name, _ in _Result._fields_[1:]]
        values = {name: getattr(told, name) for name in names}
        values.update(compute_outweighs=bool(told.compute_outweighs), backend=_BACKEND_NAMES[told.backend],
                      choice=_CHOICES[told.choice])
        info = BatchInfo(**values)
        if isinstance(self._value, Packed):
            data = memoryview(self._value.data)[:info.packed_size]
            self._value = self._value._replace(data=data, info=info)
        else:
            self._value = info


class Ring:
    """Slots that batches go through side by side; thread-safe. Closed by close(), by `with`, or when it goes."""

    def __init__(self, slots: int = 0, threads: int = 0, staging: int = 0, device: int = 0,
                 nvcomp: Optional[Any] = None, model: Optional[Any] = None) -> None:
        named = _find_nvcomp() if nvcomp is None else _abi.encode(nvcomp)
        options = _Options(struct_size=ctypes.sizeof(_Options), slots=_abi.number(slots, "slots", 1 << 31),
                           threads=_abi.number(threads, "threads", 1 << 31),
                           staging=_abi.number(staging, "staging"), device=_abi.number(device, "a device", 1 << 31),
                           nvcomp=named, model=None if model is None else _abi.encode(model))
        handle = ctypes.c_void_p()
        code = _library().gmemfs_open_ring(ctypes.byref(options), ctypes.byref(handle))
        if code != 0:
            _fail(code)
        self._held: Dict[int, Any] = {}  # memory of the batches under way, by ticket
        self._number = handle.value
        # The batches end before their memory goes, also at the interpreter's end.
        self._close = weakref.finalize(self, _close, handle.value, self._held)

    def _handle(self) -> Any:
        return self._number

    def close(self) -> None:
        """Waits for the batches under way; their results can't be had any more."""
        self._close()

    def __enter__(self) -> "Ring":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def pack(self, pages: Any, page_size: int = 4096, algorithm: str = "lz4", backend: str = "auto") -> Pending:
        """Packs the buffer's pages. BlockingIOError (EAGAIN): every slot is taken."""
        address, size, memory, held = _pages_of(pages)
        count = self._count(size, page_size)
        if algorithm not in ALGORITHMS:
            raise ValueError(f"gmemfs: algorithm can't be {algorithm!r}: lz4 or zstd")
        bound = _library().gmemfs_get_packed_bound(ALGORITHMS[algorithm], page_size)
        packed = Packed(algorithm, page_size, bytearray(bound * count), (ctypes.c_uint32 * count)(),
                        (ctypes.c_uint32 * count)())
        return self._submit("gmemfs_pack_batch", packed, backend, (address, memory, count, held), packed)

    def unpack(self, packed: Packed, into: Any, backend: str = "auto") -> Pending:
        """Unpacks the streams into a buffer that can be written, or memory of a device."""
        address, size, memory, held = _pages_of(into)
        count = self._count(size, packed.page_size)
        if memory == 0 and memoryview(into).readonly:
            raise ValueError("gmemfs: the buffer can't be written")
        for words in (packed.sizes, packed.checksums):
            if words is not None and memoryview(words).nbytes != 4 * count:
                raise ValueError(f"gmemfs: {count} pages have so many sizes and checksums of 4 bytes")
        return self._submit("gmemfs_unpack_batch", packed, backend, (address, memory, count, held), None)

    @staticmethod
    def _count(size: int, page_size: int) -> int:
        if page_size < 1 or page_size > 1 << 20 or size % page_size:
            raise ValueError(f"gmemfs: {size} bytes aren't whole pages of {page_size} bytes, 1 to 1048576")
        return size // page_size

    def _submit(self, function: str, packed: Packed, backend: str, pages: Tuple[int, int, int, Any],
                value: Any) -> Pending:
        if backend not in BACKENDS:
            raise ValueError(f"gmemfs: backend can't be {backend!r}: auto, cpu or gpu")
        address, memory, count, held = pages
        data, data_size, data_held = _address_of(packed.data)
        sizes, _, sizes_held = _address_of(packed.sizes)
        checksums, _, checksums_held = _address_of(packed.checksums) if packed.checksums is not None else (0, 0, None)
        batch = _Batch(struct_size=ctypes.sizeof(_Batch), algorithm=ALGORITHMS[packed.algorithm],
                       backend=BACKENDS[backend], memory=memory, page_size=packed.page_size, page_count=count,
                       pages=address, packed=data, packed_size=data_size, sizes=sizes, checksums=checksums or None)
        ticket = ctypes.c_uint64()
        code = getattr(_library(), function)(self._number, ctypes.byref(batch), ctypes.byref(ticket))
        if code != 0:
            _fail(code)
        self._held[ticket.value] = (held, data_held, sizes_held, checksums_held)
        return Pending(self, ticket.value, value)


def _close(handle: int, held: Dict[int, Any]) -> None:
    _library().gmemfs_close_ring(handle)
    held.clear()
