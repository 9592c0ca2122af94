"""The C interface of libgmemfs (client/lib/gmemfs.h), and the few driver calls that a framework's peer needs."""
import contextlib
import ctypes
import errno
import functools
import operator
import os
import pathlib
from typing import Any, Iterator, Optional, Sequence

CREATE = 1
READ_WRITE, READ = 0, 1
SHARED, ALONE = 0, 1
_RELAXED, _NON_BLOCKING = 2, 1  # CU_STREAM_CAPTURE_MODE_RELAXED, CU_STREAM_NON_BLOCKING
HANDLES = {"any": 0, "fabric": 1, "fd": 2}


class OpenOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_int), ("mode", ctypes.c_uint),
                ("size", ctypes.c_uint64), ("driver", ctypes.c_char_p)]


class MapOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("access", ctypes.c_int), ("sharing", ctypes.c_int),
                ("handles", ctypes.c_int), ("address", ctypes.c_uint64), ("devices", ctypes.POINTER(ctypes.c_int)),
                ("device_count", ctypes.c_size_t), ("near", ctypes.POINTER(ctypes.c_int)),
                ("reach", ctypes.c_int)]


class MappingInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("address", ctypes.c_uint64), ("length", ctypes.c_uint64),
                ("size", ctypes.c_uint64), ("device", ctypes.c_int), ("access", ctypes.c_int),
                ("handles", ctypes.c_int), ("extent_count", ctypes.c_uint), ("host_address", ctypes.c_uint64)]


class WaitOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("devices", ctypes.POINTER(ctypes.c_int)),
                ("device_count", ctypes.c_size_t), ("driver", ctypes.c_char_p)]


class Entry(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("mapping", ctypes.c_void_p),
                ("code", ctypes.c_int), ("text", ctypes.c_char_p)]


class TensorOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_int), ("address", ctypes.c_uint64),
                ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32), ("dtype_code", ctypes.c_uint8),
                ("dtype_bits", ctypes.c_uint8), ("ndim", ctypes.c_int), ("shape", ctypes.POINTER(ctypes.c_int64))]


class _Owned(ctypes.Structure):
    _fields_ = [("file", ctypes.c_void_p), ("mapping", ctypes.c_void_p), ("directory", ctypes.c_void_p)]


class _Python(ctypes.Structure):  # the interpreter's functions, in the order of gmemfs_python
    _fields_ = [(name, ctypes.c_void_p) for name in (
        "Py_IsInitialized", "PyGILState_Check", "PyGILState_GetThisThreadState", "PyEval_SaveThread",
        "PyEval_RestoreThread", "PyCapsule_New", "PyCapsule_IsValid", "PyCapsule_GetPointer")]


def _find_library() -> str:
    chosen = os.environ.get("GMEMFS_LIBRARY")
    built = pathlib.Path(__file__).resolve().parents[3] / "build" / "libgmemfs.so"  # in the source tree
    return chosen or (str(built) if built.exists() else "libgmemfs.so.0")


@functools.lru_cache(maxsize=None)
def library() -> Any:
    found = _find_library()
    try:
        loaded = ctypes.CDLL(found)
    except OSError as error:
        raise ImportError(f"gmemfs: {error}; install it (make install), or name it by $GMEMFS_LIBRARY") from None
    pointer, number = ctypes.c_void_p, ctypes.c_uint64
    for function, arguments in {
            "gmemfs_open": [ctypes.c_char_p, ctypes.POINTER(OpenOptions), pointer],
            "gmemfs_get_size": [pointer, ctypes.POINTER(number)], "gmemfs_set_size": [pointer, number],
            "gmemfs_get_fd": [pointer], "gmemfs_get_device": [pointer, ctypes.POINTER(ctypes.c_int)],
            "gmemfs_seal": [pointer],
            "gmemfs_map": [pointer, ctypes.POINTER(MapOptions), pointer],
            "gmemfs_get_info": [pointer, ctypes.POINTER(MappingInfo)],
            "gmemfs_get_dma_buf": [pointer, number, number, ctypes.POINTER(ctypes.c_int)],
            "gmemfs_map_directory": [ctypes.c_char_p, ctypes.POINTER(MapOptions), ctypes.c_char_p, pointer],
            "gmemfs_get_entry": [pointer, ctypes.c_size_t, ctypes.POINTER(Entry)],
            "gmemfs_unmap": [pointer], "gmemfs_wait": [ctypes.POINTER(WaitOptions)], "gmemfs_last_error": [],
            "gmemfs_open_allocator": [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int)],
            "gmemfs_close_allocator": [ctypes.c_int], "gmemfs_pause_allocator": [ctypes.c_int, ctypes.c_int],
            "gmemfs_resume_allocator": [ctypes.c_int],
            "gmemfs_get_version": []}.items():
        getattr(loaded, function).argtypes = arguments
        getattr(loaded, function).restype = ctypes.c_int
    for name in ("gmemfs_close", "gmemfs_free_directory", "gmemfs_release"):
        getattr(loaded, name).argtypes = [pointer]
        getattr(loaded, name).restype = None
    loaded.gmemfs_get_entry_count.argtypes = [pointer]
    loaded.gmemfs_get_entry_count.restype = ctypes.c_size_t
    loaded.gmemfs_last_error.restype = ctypes.c_char_p
    loaded.gmemfs_get_version.restype = ctypes.c_char_p
    return loaded


@functools.lru_cache(maxsize=None)
def holding_lock() -> Any:
    """The functions of libgmemfs that make Python objects: called with the interpreter's lock held."""
    loaded = ctypes.PyDLL(library()._name)
    functions = _Python()
    for name, _ in _Python._fields_:
        setattr(functions, name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p))
    loaded.gmemfs_use_python(ctypes.byref(functions))
    loaded.gmemfs_make_owner.restype = ctypes.py_object
    loaded.gmemfs_make_owner.argtypes = []
    loaded.gmemfs_make_capsule.restype = ctypes.py_object
    loaded.gmemfs_make_capsule.argtypes = [ctypes.c_void_p, ctypes.POINTER(TensorOptions),
                                           ctypes.POINTER(ctypes.c_int)]
    return loaded


_get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


class Owner:
    """Handles of libgmemfs, which are given back when this goes: by C, so that no exception comes between. It is made
    before the call that fills it, so that none comes after that either."""
    __slots__ = ("_capsule", "_owned")

    def __init__(self) -> None:
        self._capsule = holding_lock().gmemfs_make_owner()
        self._owned = _Owned.from_address(_get_pointer(self._capsule, b"gmemfs.owner"))

    def place(self, name: str) -> int:
        """Where a call is to write the handle."""
        return ctypes.addressof(self._owned) + int(getattr(_Owned, name).offset)

    def get(self, name: str) -> Optional[int]:
        handle: Optional[int] = getattr(self._owned, name)
        return handle

    def set(self, name: str, handle: Optional[int]) -> None:
        setattr(self._owned, name, handle)


def encode(path: Any) -> bytes:
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise ValueError(f"gmemfs: a zero byte in {path!r}")
    return encoded


def number(value: Any, what: str, limit: int = 1 << 63) -> int:
    found = operator.index(value)
    if not 0 <= found < limit:
        raise ValueError(f"gmemfs: {what} can't be {found}")
    return found


def map_options(read_only: bool, exclusive: bool, handles: str, address: int,
                devices: Optional[Sequence[int]], reach: str = "all", near: Optional[int] = None) -> MapOptions:
    if handles not in HANDLES:
        raise ValueError(f"gmemfs: handles can't be {handles!r}: any, fabric or fd")
    if reach not in ("all", "own") or (reach == "own" and devices):
        raise ValueError(f"gmemfs: reach can't be {reach!r}: all, or own, which lists no devices")
    options = MapOptions(struct_size=ctypes.sizeof(MapOptions), access=READ if read_only else READ_WRITE,
                         sharing=ALONE if exclusive else SHARED, handles=HANDLES[handles],
                         address=number(address, "an address", 1 << 64), reach=int(reach == "own"))
    if devices is not None:
        ordinals = [number(device, "a device", 1 << 31) for device in devices]
        options.devices = (ctypes.c_int * max(1, len(ordinals)))(*ordinals)
        options.device_count = len(ordinals)
    if near is not None:
        options.near = ctypes.pointer(ctypes.c_int(number(near, "a device", 1 << 31)))
    return options


def check(code: int, path: str) -> None:
    """Raises OSError (FileNotFoundError, PermissionError, ...: Python picks the class by the errno); ValueError of what
    is closed or unmapped."""
    if code == errno.EBADF:
        raise ValueError(f"gmemfs: {path}: it is closed, or unmapped")
    if code != 0:
        raise OSError(code, library().gmemfs_last_error().decode(errors="replace"), path)


def version() -> str:
    return library().gmemfs_get_version().decode()


def wait(devices: Optional[Sequence[int]] = None) -> None:
    """Until all work has ended that these devices have, or all, but for contexts that can't be found (gmemfs_wait)."""
    options = WaitOptions(struct_size=ctypes.sizeof(WaitOptions))
    if devices is not None:
        options.devices = (ctypes.c_int * max(1, len(devices)))(*devices)
        options.device_count = len(devices)
    code = library().gmemfs_wait(options)
    if code != 0:
        raise OSError(code, library().gmemfs_last_error().decode(errors="replace"))


class Driver:
    """The driver's own calls, on whatever context is current in this thread."""

    def __init__(self, name: str) -> None:
        self._library = ctypes.CDLL(name)

    def call(self, name: str, *arguments: Any) -> None:
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            raise OSError(5, f"{name}: CUresult {result}: is a context of the device current?")

    def has_context(self) -> bool:
        current = ctypes.c_void_p()
        return self._library.cuCtxGetCurrent(ctypes.byref(current)) == 0 and bool(current.value)

    def is_capturing(self, stream: int) -> bool:
        status = ctypes.c_int()
        result = self._library.cuStreamIsCapturing(ctypes.c_void_p(stream), ctypes.byref(status))
        return result == 0 and status.value != 0

    @contextlib.contextmanager
    def relaxed(self) -> Iterator[None]:
        """What this thread calls disturbs no graph that is captured, in any thread."""
        mode = ctypes.c_int(_RELAXED)
        self.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))
        try:
            yield
        finally:
            self.call("cuThreadExchangeStreamCaptureMode", ctypes.byref(mode))

    @contextlib.contextmanager
    def own_stream(self) -> Iterator[ctypes.c_void_p]:
        """One that waits for no other: a blocking stream's capture ends badly when the default stream is used."""
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), _NON_BLOCKING)
        try:
            yield stream
        finally:
            self._library.cuStreamSynchronize(stream)  # what an exception leaves behind may still be written to
            self.call("cuStreamDestroy_v2", stream)


@functools.lru_cache(maxsize=None)
def driver(name: Optional[str] = None) -> Driver:
    return Driver(name or os.environ.get("GMEMFS_DRIVER") or "libcuda.so.1")
