"""Lives: peers by libgmemfs' Python package, and what they do with the memory that they have mapped."""
import ctypes
import errno
import json
import os
import signal
import sys

import gmemfs


class _Memory:
    """The driver, with the first device's context current."""

    def __init__(self):
        self.driver = ctypes.CDLL(os.environ.get("GMEMFS_DRIVER") or "libcuda.so.1")
        context = ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        status = getattr(self.driver, name)(*arguments)
        assert status == 0, (name, status)


_memory = None


def memory():
    global _memory
    _memory = _memory or _Memory()
    return _memory


def poke(address, data):
    """What a kernel would write, waited for."""
    memory().call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), ctypes.c_char_p(bytes(data)), ctypes.c_size_t(len(data)))


def peek(address, size):
    data = ctypes.create_string_buffer(size)
    memory().call("cuMemcpyDtoH_v2", data, ctypes.c_uint64(address), ctypes.c_size_t(size))
    return data.raw


def state(path):
    return os.getxattr(path, "user.gmemfs.ecc").decode()


def stats(mount):
    for _ in range(3):  # Linux answers EIO where the server is killed while it copies the request
        try:
            return json.loads(os.getxattr(mount, "user.gmemfs.stats"))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
    raise OSError(errno.EIO, "user.gmemfs.stats", mount)


def wait_for_scrub(mount, passes=2):
    """Until so many passes have begun and ended since."""
    until = stats(mount)["scrub"]["passes"] + passes
    while stats(mount)["scrub"]["passes"] < until:
        os.sched_yield()


def wait_for_leases(mount, count):
    while stats(mount)["leases"] != count:
        os.sched_yield()


def check_writes_stay(mount, path, file, mapping):
    """The scrubber undoes nothing of what a mapping's holder writes, sealed in between or not, and finds no fault."""
    wait_for_scrub(mount, 1)
    poke(mapping.address + 9000, b"STEP 1")
    file.seal()
    poke(mapping.address + 9000, b"STEP 2")
    poke(mapping.address + (1 << 20), b"C" * (1 << 20))  # more than any parity could mend
    wait_for_scrub(mount)
    assert peek(mapping.address + 9000, 6) == b"STEP 2"
    assert state(path) == "open", state(path)
    assert stats(mount)["scrub"]["blocks_repaired"] == 0 and stats(mount)["scrub"]["blocks_damaged"] == 0
