"""Telemetry: what a program under `gmemfs run` has of device memory (client/lib/gmemfs_pool.h).

    info = gmemfs.pool_info()
    print(info.used, info.libraries, info.fragmentation)
"""
import ctypes
import os
from dataclasses import dataclass
from typing import Dict, Optional, Tuple, Union

from ._abi import check, encode, library

_TIMES, _LIBRARIES = 40, 64
_KINDS = ("managed", "arrays", "pools", "created", "native", "graph_nodes")
_SIZES = ("held", "used", "used_most", "unlisted", "limit", "blocks", "allocations", "fences", "idle", "idle_largest")


class _Amount(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint64), ("bytes", ctypes.c_uint64)]


class _Info(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), *[(name, ctypes.c_uint64) for name in _SIZES],
                ("allocation_times", ctypes.c_uint64 * _TIMES), ("free_times", ctypes.c_uint64 * _TIMES),
                ("kinds", _Amount * len(_KINDS)), ("spilled", ctypes.c_uint64)]


class _Library(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 56), ("used", ctypes.c_uint64)]


@dataclass(frozen=True)
class PoolInfo:
    """Bytes, but for counts. Each number is right by itself; together they may be off by what happens meanwhile."""
    held: int          # of the devices, in all
    used: int          # of that, by the program
    used_most: int     # at any time
    unlisted: int      # of held, what is no file of the mount
    limit: Optional[int]
    blocks: int        # that the program has
    allocations: int   # that it ever made
    fences: int        # times that the pool waited for a device
    idle: int          # of arenas, free for any request
    idle_largest: int  # the largest part of that, or 3 % less
    allocation_times: Dict[int, int]  # how many calls took less than so many ns, and no less than half of that
    free_times: Dict[int, int]
    kinds: Dict[str, Tuple[int, Optional[int]]]  # what was asked of the driver itself: count, bytes; None: unknown
    libraries: Dict[str, int]                    # used, by the library that has allocated it
    spilled: int = 0   # of host memory, with --spill=host

    @property
    def fragmentation(self) -> float:
        """0: all that is idle is in one piece; near 1: it is in many small ones."""
        return 1 - self.idle_largest / self.idle if self.idle else 0.0


def _read(directory: Optional[bytes]) -> Tuple[_Info, Dict[str, int]]:
    loaded = library()
    info, count = _Info(struct_size=ctypes.sizeof(_Info)), ctypes.c_size_t(_LIBRARIES)
    libraries = (_Library * _LIBRARIES)()
    name = ctypes.c_char_p(directory)
    code = loaded.gmemfs_read_pool(name, ctypes.byref(info))
    if not code:
        code = loaded.gmemfs_read_pool_libraries(name, libraries, ctypes.byref(count))
    check(code, os.fsdecode(directory) if directory is not None else "this process")
    return info, {os.fsdecode(one.name): one.used for one in libraries[:count.value] if one.used}


def pool_info(directory: Union[str, "os.PathLike[str]", None] = None) -> PoolInfo:
    """Of this process, or of the one that has `directory` in a mount (/mnt/gpu/work/train.4711).

    OSError: ENOENT where it has no pool, or has ended; EACCES where this user may not look into it; EINVAL for a
    directory of no process."""
    info, libraries = _read(None if directory is None else encode(directory))
    values = {name: getattr(info, name) for name in _SIZES}
    values["limit"] = values["limit"] or None
    for name in ("allocation_times", "free_times"):
        values[name] = {1 << index: count for index, count in enumerate(getattr(info, name)) if count}
    kinds = {name: (amount.count, amount.bytes) for name, amount in zip(_KINDS, info.kinds)}
    kinds["graph_nodes"] = (kinds["graph_nodes"][0], None)
    return PoolInfo(kinds=kinds, libraries=libraries, spilled=info.spilled, **values)
