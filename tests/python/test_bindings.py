"""Bindings: a file's memory as NVIDIA's own Python bindings see it, on the simulator, in a process of its own."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from preloaded import PATIENCE_S, preload

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
PEER = ROOT / "tests/gpu/peer_bindings.py"
MIB = 1 << 20
SIMULATED = {**os.environ, "GMEMFS_SIM_MACHINE": f"bindings{os.getpid()}"}  # a machine that no other test shares
AS_DRIVER = {**SIMULATED, "LD_LIBRARY_PATH": str(BUILD / "sim"), **preload()}  # with the simulator as libcuda.so.1


def run_peer(path, *options):
    return subprocess.run([sys.executable, str(PEER), str(path), *options], env=AS_DRIVER, timeout=PATIENCE_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)


@pytest.fixture(name="mount")
def fixture_mount(tmp_path):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse that this user may open")
    path = tmp_path / "mount"
    path.mkdir()
    gmemfs = BUILD / "gmemfs"
    subprocess.run([gmemfs, "mount", path, "--simulate=256M"], env=SIMULATED, check=True, timeout=30)
    yield path
    subprocess.run([gmemfs, "umount", path], check=True, timeout=30)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_peer_sees_what_was_written_to_the_file(mount):
    path = mount / "buffer"
    path.write_bytes(os.urandom(5 * MIB + 123))
    done = run_peer(path, "--sha256", sha256(path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["found"] == sha256(path)


def test_file_holds_what_the_peer_wrote(mount):
    path = mount / "buffer"
    with path.open("wb") as file:
        file.truncate(8 * MIB)
    done = run_peer(path, "--write", "7")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == hashlib.sha256(bytes(8 * MIB)).hexdigest(), "new memory reads as zeros in a peer, too"
    assert told["written"] == sha256(path)


def test_peer_maps_exactly_the_allocation_size(mount):
    path = mount / "buffer"
    with path.open("wb") as file:
        file.truncate(3 * MIB)
    done = run_peer(path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["allocation_size"] == 4 * MIB


def test_peer_that_expects_other_bytes_fails(mount):
    path = mount / "buffer"
    with path.open("wb") as file:
        file.truncate(2 * MIB)
    done = run_peer(path, "--sha256", "0" * 64)
    assert done.returncode == 1
    assert "not the file's" in done.stderr


def test_handle_outlives_the_server(mount):
    path = mount / "buffer"
    with path.open("wb") as file:
        file.truncate(2 * MIB)
    handle = os.getxattr(path, "user.fabric_handle")
    os.kill(json.loads(os.getxattr(mount, "user.gmemfs.stats"))["server_pid"], signal.SIGKILL)
    script = (
        "import ctypes, sys; from cuda.bindings import driver; driver.cuInit(0); "
        "buffer = ctypes.create_string_buffer(bytes.fromhex(sys.argv[1]), 64); "
        "kind = driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_FABRIC; "
        "print(driver.cuMemImportFromShareableHandle(ctypes.addressof(buffer), kind)[0].name)")
    done = subprocess.run([sys.executable, "-c", script, handle.hex()], timeout=PATIENCE_S, stdout=subprocess.PIPE,
                          text=True, env=AS_DRIVER, check=True)
    assert done.stdout.strip() == "CUDA_SUCCESS"  # its creator is the keeper


HOST_PEER = """
import os, sys
import gmemfs
import numpy
from cuda.bindings import driver
path = sys.argv[1]
driver.cuInit(0)  # the simulator tells of the host's address where a context is current; on a card it is the device's
driver.cuCtxSetCurrent(driver.cuDevicePrimaryCtxRetain(driver.cuDeviceGet(0)[1])[1])
mapping = gmemfs.open(path).map()
seen = numpy.asarray(mapping)
assert seen.tobytes() == open(path, "rb").read(), "NumPy sees the file's bytes"
part = numpy.asarray(mapping.array((1000,), "int32", offset=4096))
part[:] = numpy.arange(1000)  # no copy: the file has it
with open(path, "rb") as file:
    file.seek(4096)
    assert file.read(4000) == part.tobytes()
read_only = numpy.asarray(gmemfs.open(path).map(read_only=True))
assert not read_only.flags.writeable and read_only.tobytes() == seen.tobytes()
assert mapping.host_address and gmemfs.open(path).device == -1
try: raise AssertionError(gmemfs.open(path).map(devices=[]))  # nobody would be left who may use it
except OSError as error: assert error.errno == 19 and "no device is listed" in str(error), error
on_device = gmemfs.open(sys.argv[2]).map()
assert on_device.host_address == 0 and not hasattr(on_device, "__array_interface__")
"""


def test_numpy_sees_a_file_that_lives_in_host_memory(mount):
    folder = mount / "host"
    folder.mkdir()
    os.setxattr(folder, "user.gmemfs.device", b"host")
    (folder / "buffer").write_bytes(os.urandom(5 * MIB + 123))
    (mount / "buffer").write_bytes(bytes(3 * MIB))
    before = json.loads(os.getxattr(mount, "user.gmemfs.stats"))["used"]
    done = subprocess.run([sys.executable, "-c", HOST_PEER, folder / "buffer", mount / "buffer"],
                          env={**AS_DRIVER, "PYTHONPATH": str(ROOT / "client/python"),
                               "GMEMFS_LIBRARY": str(BUILD / "libgmemfs.so.0")},
                          timeout=PATIENCE_S, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(os.getxattr(mount, "user.gmemfs.stats"))["used"] == before == 4 * MIB
