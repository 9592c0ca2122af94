"""Waiting: which generation a file has, and waiting for another one."""
import ctypes
import errno
import os
import time
from typing import Optional, Union

from . import _abi

Path = Union[str, "os.PathLike[str]"]

_LONGEST_MS = 2**31 - 1


def generation(path: Path) -> int:
    """Which generation the file has that the path leads to (user.gmemfs.generation); 0: there is none."""
    name = os.fspath(path)
    found = ctypes.c_uint64()
    _abi.check(_abi.library().gmemfs_get_generation(os.fsencode(name), ctypes.byref(found)), name)
    return found.value


def wait(path: Path, *, after: Optional[int] = None, timeout: Optional[float] = None) -> int:
    """Waits until the path leads to a file of another generation than `after` (None: than it has now), and returns
    that; 0: there is no file any more. Other threads run meanwhile, and signals are answered: ^C is a
    KeyboardInterrupt. TimeoutError after `timeout` seconds."""
    name = os.fspath(path)
    known = generation(name) if after is None else after
    if not 0 <= known < 2**64:
        raise ValueError(f"gmemfs: {name}: {known} is no generation")
    end = None if timeout is None else time.monotonic() + timeout
    found = ctypes.c_uint64()
    while True:
        left_ms = -1
        if end is not None:
            left_ms = min(_LONGEST_MS, max(0, int((end - time.monotonic()) * 1000 + 0.999)))
        code = _abi.library().gmemfs_wait_generation(os.fsencode(name), known, left_ms, ctypes.byref(found))
        if code == 0:
            return found.value
        if code == errno.EINTR or (code == errno.ETIMEDOUT and left_ms == _LONGEST_MS):
            continue  # a signal's handler has run by now, and raised what it raises
        _abi.check(code, name)
