"""Filling: parts of a host file into a file's device memory, by several threads through pinned memory.

    host file --pread--> pinned buffer --copy engine--> device memory     two buffers a thread: one fills, one empties
"""
import concurrent.futures
import contextlib
import ctypes
import os
import threading
from typing import Iterator, List, NamedTuple, Sequence, Tuple

from . import _abi
from .copying import on_device
from .file import File

_CHUNK = 2 << 20       # bytes of a buffer: 24 of them take 22 ms to pin (H200)
_THREADS = 12          # more read no faster (H200's host)
_ROW_MIN = 8 << 10     # bytes: of shorter rows those between are read, too, because a call takes as long as 8 KiB
_PORTABLE = 1          # CU_MEMHOSTALLOC_PORTABLE
_MEMORY_OF_ROWS = 8 << 20


class Piece(NamedTuple):
    """`count` runs of `run` bytes, `stride` apart in the source, one after the other in the target."""
    source: int
    target: int
    run: int
    stride: int
    count: int


def _chunks(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The same, each of _CHUNK bytes at the most."""
    for source, target, run, stride, count in pieces:
        if not run:
            continue
        rows = min(_CHUNK // run, count) if run >= _ROW_MIN else min(_CHUNK // run, max(_MEMORY_OF_ROWS // stride, 1))
        for row in range(0, count, max(rows, 1)):
            at, to, left = source + row * stride, target + row * run, min(max(rows, 1), count - row)
            if rows:
                yield Piece(at, to, run, stride, left)
                continue
            for done in range(0, run, _CHUNK):
                yield Piece(at + done, to + done, min(_CHUNK, run - done), 0, 1)


def _read(fd: int, to: memoryview, offset: int) -> None:
    while to:
        count = os.preadv(fd, [to], offset)
        if not count:
            raise EOFError
        to, offset = to[count:], offset + count


def _gather(fd: int, to: memoryview, piece: Piece) -> None:
    """The piece's bytes, which `to` is as long as."""
    if piece.count == 1 or piece.run >= _ROW_MIN:
        for row in range(piece.count):
            _read(fd, to[row * piece.run:(row + 1) * piece.run], piece.source + row * piece.stride)
        return
    rows = memoryview(bytearray((piece.count - 1) * piece.stride + piece.run))
    _read(fd, rows, piece.source)
    for row in range(piece.count):
        begin = row * piece.stride
        to[row * piece.run:(row + 1) * piece.run] = rows[begin:begin + piece.run]


class _Work:
    """Chunks that threads share; none is left once one of them has failed."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._lock = threading.Lock()
        self._chunks = _chunks(pieces)

    def __iter__(self) -> Iterator[Piece]:
        while True:
            with self._lock:
                piece = next(self._chunks, None)
            if piece is None:
                return
            yield piece

    def end(self) -> None:
        with self._lock:
            self._chunks = iter(())


@contextlib.contextmanager
def _pinned(driver: _abi.Driver) -> Iterator[Tuple[ctypes.c_void_p, memoryview]]:
    address = ctypes.c_void_p()
    driver.call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(_CHUNK), _PORTABLE)
    try:
        yield address, memoryview((ctypes.c_char * _CHUNK).from_address(address.value or 0)).cast("B")
    finally:
        driver.call("cuMemFreeHost", address)


def _run(driver: _abi.Driver, ordinal: int, fd: int, address: int, work: _Work) -> None:
    try:
        with driver.relaxed(), on_device(driver, ordinal), contextlib.ExitStack() as stack:
            slots: List[Tuple[ctypes.c_void_p, memoryview, ctypes.c_void_p]] = []
            for _ in range(2):
                pinned, buffer = stack.enter_context(_pinned(driver))
                slots.append((pinned, buffer, stack.enter_context(driver.own_stream())))  # which ends before its buffer
            for piece in work:
                pinned, buffer, stream = slots[0]
                driver.call("cuStreamSynchronize", stream)
                size = piece.run * piece.count
                _gather(fd, buffer[:size], piece)
                driver.call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(address + piece.target), pinned,
                            ctypes.c_size_t(size), stream)
                slots.reverse()
            for _, _, stream in slots:
                driver.call("cuStreamSynchronize", stream)
    except BaseException:
        work.end()
        raise


def fill(file: File, fd: int, pieces: Sequence[Piece]) -> None:
    """Reads the pieces of the host file `fd`, and no others but what lies between short rows, into the file. EOFError:
    the host file is shorter."""
    driver, work = _abi.driver(), _Work(pieces)
    total = sum(piece.run * piece.count for piece in pieces)
    count = min(_THREADS, len(os.sched_getaffinity(0)), -(-total // _CHUNK))
    if not count:
        return
    with file.map(devices=[]) as mapping, concurrent.futures.ThreadPoolExecutor(count) as pool:
        threads = [pool.submit(_run, driver, mapping.device, fd, mapping.address, work) for _ in range(count)]
        try:
            for thread in threads:
                thread.result()
        except BaseException:
            work.end()  # the user's interruption, too
            raise
