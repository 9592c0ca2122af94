"""Batches of pages by the Python package, on the simulator with the simulated nvCOMP; their streams read by others."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import textwrap

import pytest
from preloaded import PATIENCE_S, preload

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
ENVIRONMENT = {**os.environ, "GMEMFS_SIM_MACHINE": f"batch{os.getpid()}", "PYTHONPATH": str(ROOT / "client/python"),
               "GMEMFS_DRIVER": str(BUILD / "sim/libcuda.so.1"), "GMEMFS_LIBRARY": str(BUILD / "libgmemfs.so"),
               **preload()}
PRELUDE = f"""
import errno, gc, os, sys
import gmemfs
nvcomp = {str(BUILD / "sim/libnvcomp.so.6")!r}
def pages_of(count, size=4096):
    return b"".join((bytes([number % 7]) * 40 + os.urandom(24)) * (size // 64) + b"x" * (size % 64)
                    for number in range(count))
"""


def run(body, *arguments):
    done = subprocess.run([sys.executable, "-c", PRELUDE + textwrap.dedent(body), *map(str, arguments)],
                          env=ENVIRONMENT, timeout=PATIENCE_S, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pages_come_back_by_either_back_end():
    run("""
    pages = pages_of(100)
    with gmemfs.Ring(nvcomp=nvcomp, model="", threads=2) as ring:
        for algorithm in ("lz4", "zstd"):
            for packer in ("cpu", "gpu", "auto"):
                packed = ring.pack(pages, 4096, algorithm, packer).result()
                assert packed.info.ratio > 1.3 and packed.info.total_ns > 0 and packed.info.plain_size == len(pages)
                assert packer == "auto" or (packed.info.backend, packed.info.choice) == (packer, "named")
                assert packed.info.choice == "measured" or packer != "auto"
                assert len(packed.data) == packed.info.packed_size == sum(packed.sizes)
                for unpacker in ("cpu", "gpu", "auto"):
                    back = bytearray(len(pages))
                    assert ring.unpack(packed, back, unpacker).result(60).plain_size == len(pages)
                    assert back == pages
    """)


def test_every_kind_of_buffer():
    run("""
    import numpy, mmap
    pages = pages_of(10)
    with gmemfs.Ring(nvcomp=nvcomp, model="") as ring:
        whole = numpy.frombuffer(pages, dtype=numpy.float32).reshape(10, -1)
        writable, mapped = whole.copy(), mmap.mmap(-1, len(pages))
        mapped.write(pages)
        found = [bytes(ring.pack(each, backend="cpu").result().data)
                 for each in (pages, bytearray(pages), memoryview(pages), whole, writable, mapped)]
        assert len(set(found)) == 1
        assert ring.pack(b"", backend="cpu").result().info.plain_size == 0
        packed = ring.pack(pages, backend="cpu").result()
        ring.unpack(packed, mapped).result()
        for wrong in (lambda: ring.pack(writable[:, ::2]), lambda: ring.pack(pages, 4095), lambda: ring.pack(pages, 0),
                      lambda: ring.unpack(packed, pages), lambda: ring.unpack(packed, bytearray(4096)),
                      lambda: ring.pack(pages, algorithm="lzma"), lambda: ring.pack(pages, backend="fpga")):
            try:
                wrong()
            except ValueError as error:
                assert "gmemfs" in str(error), error
            else:
                raise AssertionError(wrong)
    """)


def test_damage_is_told_and_a_missing_nvcomp():
    run("""
    pages = pages_of(20)
    with gmemfs.Ring(nvcomp=nvcomp, model="") as ring:
        packed = ring.pack(pages, algorithm="zstd", backend="gpu").result()
        packed.data[10] ^= 1
        for backend in ("cpu", "gpu"):
            try:
                ring.unpack(packed, bytearray(len(pages)), backend).result()
            except ValueError as error:
                assert "page 0" in str(error), error
            else:
                raise AssertionError
        packed.data[10] ^= 1
        back = bytearray(len(pages))
        ring.unpack(packed._replace(checksums=None), back).result()
        assert back == pages
    with gmemfs.Ring(nvcomp="/nowhere/libnvcomp.so.6", model="") as ring:
        try:
            ring.pack(pages, backend="gpu").result()
        except OSError as error:
            assert error.errno == errno.ENOTSUP and "pip install nvidia-libnvcomp-cu13" in str(error)
        else:
            raise AssertionError
    try:
        ring.pack(pages)
    except ValueError as error:
        assert "closed" in str(error)
    else:
        raise AssertionError
    """)


def test_what_nobody_collects_ends_before_its_memory_goes():
    run("""
    ring = gmemfs.Ring(slots=2, nvcomp=nvcomp, model="")
    pending = [ring.pack(bytearray(pages_of(50)) * 20, algorithm="zstd", backend=backend) for backend in ("cpu", "gpu")]
    try:
        ring.pack(pages_of(1))
    except BlockingIOError as error:
        assert error.errno == errno.EAGAIN
    else:
        raise AssertionError
    del pending
    gc.collect()
    again = gmemfs.Ring(slots=1, nvcomp=nvcomp, model="")
    again.pack(bytearray(pages_of(50)) * 20, algorithm="zstd", backend="cpu")
    """)  # and the interpreter ends in the middle


def decode_with(tool, stream, folder):
    path = folder / "stream"
    path.write_bytes(stream)
    return subprocess.run([tool, "-dc", path], stdout=subprocess.PIPE, check=True, timeout=60).stdout


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("tool", ["zstd", "lz4"])
def test_the_tool_of_each_library_reads_the_streams(tool, backend, tmp_path):
    if shutil.which(tool) is None:
        pytest.skip(f"no command {tool}: install the package {tool}")
    run("""
    pages = pages_of(5, 5000)
    with gmemfs.Ring(nvcomp=nvcomp, model="") as ring:
        packed = ring.pack(pages, 5000, sys.argv[1], sys.argv[2]).result()
    open(sys.argv[3] + "/pages", "wb").write(pages)
    open(sys.argv[3] + "/sizes", "wb").write(packed.sizes)
    open(sys.argv[3] + "/data", "wb").write(packed.data)
    """, tool, backend, tmp_path)
    pages, data = (tmp_path / "pages").read_bytes(), (tmp_path / "data").read_bytes()
    place = 0
    for number, (size,) in enumerate(struct.iter_unpack("<I", (tmp_path / "sizes").read_bytes())):
        stream = data[place:place + size]
        place += size
        if tool == "lz4":  # a block by itself: the command reads it in the legacy frame, which has no checksums
            stream = struct.pack("<II", 0x184C2102, size) + stream
        assert decode_with(tool, stream, tmp_path) == pages[5000 * number:5000 * (number + 1)]
    assert place == len(data) and number == 4
