"""Copying: device memory into a file, when what makes it has ended."""
import contextlib
import ctypes
import os
from typing import Any, Iterable, Iterator, NamedTuple

from . import _abi
from .file import File

_DEFAULT_STREAMS = (0, 1, 2)  # no handles, but a context's own: whoever waits for the context waits for them
_DEVICE_ORDINAL = 9           # CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
_CHUNK_SIZE = 64 << 20


class Copy(NamedTuple):
    address: int
    size: int
    offset: int  # in the file
    stream: int  # that makes it, as the array interface counts; 0 where it doesn't say


def write(fd: int, data: Any, offset: int) -> None:
    view = memoryview(data).cast("B")
    while view:
        count = os.pwrite(fd, view[:1 << 30], offset)
        view, offset = view[count:], offset + count


def copy_in(file: File, copies: Iterable[Copy]) -> None:
    """Waits for the streams that are told, and then for all that is queued on the devices that the memory is on: a side
    stream that nobody told may be making it. Memory of another device than the file's goes through the host. Graphs
    that are captured meanwhile stay whole."""
    copies = [copy for copy in copies if copy.size]
    if not copies:
        return
    driver = _abi.driver()
    with driver.relaxed(), file.map() as mapping:
        for stream in {copy.stream for copy in copies}.difference(_DEFAULT_STREAMS):
            driver.call("cuStreamSynchronize", ctypes.c_void_p(stream))
        _abi.wait([])  # for the current context: it may be one of the program's own
        with on_device(driver, mapping.device):
            ordinals = [device_of(driver, copy.address) for copy in copies]
            _abi.wait(sorted(set(ordinals)))
            for ordinal in sorted(set(ordinals)):
                with on_device(driver, ordinal), driver.own_stream() as stream:
                    for copy in (copy for copy, its in zip(copies, ordinals) if its == ordinal):
                        if ordinal == mapping.device:
                            driver.call("cuMemcpyDtoDAsync_v2", ctypes.c_uint64(mapping.address + copy.offset),
                                        ctypes.c_uint64(copy.address), ctypes.c_size_t(copy.size), stream)
                        else:
                            _copy_through_host(driver, file, copy, stream)
                    driver.call("cuStreamSynchronize", stream)


def _copy_through_host(driver: _abi.Driver, file: File, copy: Copy, stream: ctypes.c_void_p) -> None:
    buffer = ctypes.create_string_buffer(min(copy.size, _CHUNK_SIZE))
    for done in range(0, copy.size, _CHUNK_SIZE):
        size = min(copy.size - done, _CHUNK_SIZE)
        driver.call("cuMemcpyDtoHAsync_v2", buffer, ctypes.c_uint64(copy.address + done), ctypes.c_size_t(size), stream)
        driver.call("cuStreamSynchronize", stream)
        write(file.fileno(), memoryview(buffer)[:size], copy.offset + done)


def device_of(driver: _abi.Driver, address: int) -> int:
    ordinal = ctypes.c_int()
    driver.call("cuPointerGetAttribute", ctypes.byref(ordinal), _DEVICE_ORDINAL, ctypes.c_uint64(address))
    return ordinal.value


@contextlib.contextmanager
def on_device(driver: _abi.Driver, ordinal: int) -> Iterator[None]:
    """With a context of this device: the one that is current, or the device's primary one."""
    device = ctypes.c_int(-1)
    if driver.has_context():
        driver.call("cuCtxGetDevice", ctypes.byref(device))
    if device.value == ordinal:
        yield
        return
    context, popped = ctypes.c_void_p(), ctypes.c_void_p()
    driver.call("cuDeviceGet", ctypes.byref(device), ordinal)
    driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        driver.call("cuCtxPushCurrent_v2", context)
        try:
            yield
        finally:
            driver.call("cuCtxPopCurrent_v2", ctypes.byref(popped))
    finally:
        driver.call("cuDevicePrimaryCtxRelease_v2", device)
