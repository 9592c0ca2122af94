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
    stream that nobody told may be making it. Memory of another device than the file's goes through the host."""
    copies = [copy for copy in copies if copy.size]
    if not copies:
        return
    driver = _abi.driver()
    if driver.has_context():
        driver.synchronize()  # it may be one of the program's own
    for copy in copies:
        if copy.stream not in _DEFAULT_STREAMS:
            driver._call("cuStreamSynchronize", ctypes.c_void_p(copy.stream))
    with file.map() as mapping, _on_device(driver, mapping.device):
        ordinals = [_device_of(driver, copy.address) for copy in copies]
        for ordinal in sorted(set(ordinals)):
            with _on_device(driver, ordinal):
                driver.synchronize()
                for copy in (copy for copy, its in zip(copies, ordinals) if its == ordinal):
                    if ordinal == mapping.device:
                        driver.copy(mapping.address + copy.offset, copy.address, copy.size)
                    else:
                        _copy_through_host(driver, file, copy)


def _copy_through_host(driver: _abi.Driver, file: File, copy: Copy) -> None:
    buffer = ctypes.create_string_buffer(min(copy.size, _CHUNK_SIZE))
    for done in range(0, copy.size, _CHUNK_SIZE):
        size = min(copy.size - done, _CHUNK_SIZE)
        driver._call("cuMemcpyDtoH_v2", buffer, ctypes.c_uint64(copy.address + done), ctypes.c_size_t(size))
        write(file.fileno(), memoryview(buffer)[:size], copy.offset + done)


def _device_of(driver: _abi.Driver, address: int) -> int:
    ordinal = ctypes.c_int()
    driver._call("cuPointerGetAttribute", ctypes.byref(ordinal), _DEVICE_ORDINAL, ctypes.c_uint64(address))
    return ordinal.value


@contextlib.contextmanager
def _on_device(driver: _abi.Driver, ordinal: int) -> Iterator[None]:
    """With a context of this device: the one that is current, or the device's primary one."""
    device = ctypes.c_int(-1)
    if driver.has_context():
        driver._call("cuCtxGetDevice", ctypes.byref(device))
    if device.value == ordinal:
        yield
        return
    context, popped = ctypes.c_void_p(), ctypes.c_void_p()
    driver._call("cuDeviceGet", ctypes.byref(device), ordinal)
    driver._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        driver._call("cuCtxPushCurrent_v2", context)
        try:
            yield
        finally:
            driver._call("cuCtxPopCurrent_v2", ctypes.byref(popped))
    finally:
        driver._call("cuDevicePrimaryCtxRelease_v2", device)
