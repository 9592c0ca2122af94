"""The C interface of libgmemfs (client/gmemfs.h) by ctypes, and the few driver calls that a framework's peer needs."""
import ctypes
import functools
import os
import pathlib
from typing import Any, Optional

CREATE = 1
READ_WRITE, READ = 0, 1
SHARED, ALONE = 0, 1
HANDLES = {"any": 0, "fabric": 1, "fd": 2}


class OpenOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("flags", ctypes.c_int), ("mode", ctypes.c_uint),
                ("size", ctypes.c_uint64), ("driver", ctypes.c_char_p)]


class MapOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("access", ctypes.c_int), ("sharing", ctypes.c_int),
                ("handles", ctypes.c_int), ("address", ctypes.c_uint64)]


class MappingInfo(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("address", ctypes.c_uint64), ("length", ctypes.c_uint64),
                ("size", ctypes.c_uint64), ("device", ctypes.c_int), ("access", ctypes.c_int),
                ("handles", ctypes.c_int), ("extent_count", ctypes.c_uint)]


class Entry(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("name", ctypes.c_char_p), ("mapping", ctypes.c_void_p),
                ("code", ctypes.c_int), ("text", ctypes.c_char_p)]


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
            "gmemfs_open": [ctypes.c_char_p, ctypes.POINTER(OpenOptions), ctypes.POINTER(pointer)],
            "gmemfs_get_size": [pointer, ctypes.POINTER(number)], "gmemfs_set_size": [pointer, number],
            "gmemfs_get_fd": [pointer], "gmemfs_get_device": [pointer, ctypes.POINTER(ctypes.c_int)],
            "gmemfs_seal": [pointer],
            "gmemfs_map": [pointer, ctypes.POINTER(MapOptions), ctypes.POINTER(pointer)],
            "gmemfs_get_info": [pointer, ctypes.POINTER(MappingInfo)],
            "gmemfs_get_dma_buf": [pointer, number, number, ctypes.POINTER(ctypes.c_int)],
            "gmemfs_map_directory": [ctypes.c_char_p, ctypes.POINTER(MapOptions), ctypes.c_char_p,
                                     ctypes.POINTER(pointer)],
            "gmemfs_get_entry": [pointer, ctypes.c_size_t, ctypes.POINTER(Entry)],
            "gmemfs_unmap": [pointer], "gmemfs_last_error": [], "gmemfs_get_version": []}.items():
        getattr(loaded, function).argtypes = arguments
        getattr(loaded, function).restype = ctypes.c_int
    for name in ("gmemfs_close", "gmemfs_free_directory"):
        getattr(loaded, name).argtypes = [pointer]
        getattr(loaded, name).restype = None
    loaded.gmemfs_get_entry_count.argtypes = [pointer]
    loaded.gmemfs_get_entry_count.restype = ctypes.c_size_t
    loaded.gmemfs_last_error.restype = ctypes.c_char_p
    loaded.gmemfs_get_version.restype = ctypes.c_char_p
    return loaded


def check(code: int, path: str) -> None:
    """Raises OSError (FileNotFoundError, PermissionError, ...: Python picks the class by the errno)."""
    if code != 0:
        raise OSError(code, library().gmemfs_last_error().decode(errors="replace"), path)


def version() -> str:
    return library().gmemfs_get_version().decode()


class Driver:
    """The driver's own calls, on whatever context is current in this thread."""

    def __init__(self, name: str) -> None:
        self._library = ctypes.CDLL(name)

    def _call(self, name: str, *arguments: Any) -> None:
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            raise OSError(5, f"{name}: CUresult {result}: is a context of the device current?")

    def has_context(self) -> bool:
        current = ctypes.c_void_p()
        return self._library.cuCtxGetCurrent(ctypes.byref(current)) == 0 and bool(current.value)

    def synchronize(self) -> None:
        self._call("cuCtxSynchronize")

    def copy(self, target: int, source: int, size: int) -> None:
        """Device to device, and waits."""
        self._call("cuMemcpyDtoD_v2", ctypes.c_uint64(target), ctypes.c_uint64(source), ctypes.c_size_t(size))
        self.synchronize()


@functools.lru_cache(maxsize=None)
def driver(name: Optional[str] = None) -> Driver:
    return Driver(name or os.environ.get("GMEMFS_DRIVER") or "libcuda.so.1")
