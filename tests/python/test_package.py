"""The Python package on the simulator, each test in a process of its own: mapping, DLPack, safetensors, errors."""
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest
from preloaded import PATIENCE_S, preload

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
SIMULATED = {**os.environ, "GMEMFS_SIM_MACHINE": f"package{os.getpid()}"}
PEER = {**SIMULATED, "GMEMFS_DRIVER": str(BUILD / "sim/libcuda.so.1"), "GMEMFS_LIBRARY": str(BUILD / "libgmemfs.so"),
        "PYTHONPATH": str(ROOT / "client/python"), **preload()}
# The simulator's device addresses carry bit 62; without it they are the host's, which NumPy can look at.
PRELUDE = """
import ctypes, gc, json, os, sys
import gmemfs, numpy
from gmemfs import dlpack
mount = sys.argv[1]
class OnHost:
    def __init__(self, array): self.array = array
    def __dlpack_device__(self): return (dlpack.CPU, 0)
    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        array = self.array
        return dlpack.make_capsule(array.mapping, array.address & ~(1 << 62), (dlpack.CPU, 0),
                                   array.element_type.dlpack, array._shown_shape, array.mapping.read_only, max_version)
def host(array): return numpy.from_dlpack(OnHost(array))
def leases(): return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["leases"]
"""


@pytest.fixture(name="mount")
def fixture_mount(tmp_path):
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("no /dev/fuse that this user may open")
    path = tmp_path / "mount"
    path.mkdir()
    subprocess.run([BUILD / "gmemfs", "mount", path, "--simulate=256M"], env=SIMULATED, check=True, timeout=30)
    yield path
    subprocess.run([BUILD / "gmemfs", "umount", path], check=True, timeout=30)


def run(mount, script, environment=None):
    done = subprocess.run([sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(mount)], check=False,
                          env=environment or PEER, timeout=PATIENCE_S, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mapping_is_the_files_memory(mount):
    run(mount, """
        file = gmemfs.open(mount + "/f", 3 << 20)
        mapping = file.map()
        assert (mapping.size, mapping.length, mapping.device, mapping.handles) == (3 << 20, 4 << 20, 0, "fabric")
        view = host(mapping.array((3 << 20,), "uint8"))
        assert not view.any(), "new memory reads as zeros"
        with open(mount + "/f", "r+b") as plain: plain.write(b"hello")
        assert bytes(view[:5]) == b"hello"
        """)


def test_what_numpy_writes_is_in_the_file(mount):
    run(mount, """
        array = gmemfs.tensor(mount + "/f", (1000, 3), "float32", create=True)
        host(array)  # readonly in NumPy, as DLPack without a version says nothing: write by address
        values = numpy.arange(3000, dtype="f4")
        ctypes.memmove(array.address & ~(1 << 62), values.ctypes.data, values.nbytes)
        with open(mount + "/f", "rb") as plain:
            assert (numpy.frombuffer(plain.read(), "f4") == numpy.arange(3000)).all()
        """)


@pytest.mark.parametrize("handles", ["fabric", "fd"])
def test_either_handle_can_be_forced(mount, handles):
    run(mount, f"""
        mapping = gmemfs.open(mount + "/f", 1 << 20).map(handles="{handles}")
        assert mapping.handles == "{handles}"
        """)


@pytest.mark.parametrize("handles", ["any", "fd"])
def test_a_directory_is_mapped_at_once(mount, handles):
    run(mount, f"""
        folder = mount + "/shards"
        os.mkdir(folder)
        for index in range(70): gmemfs.open(f"{{folder}}/{{index}}", (index % 3 + 1) << 20).close()
        open(folder + "/empty", "wb").close()
        mappings = gmemfs.map_directory(folder, handles="{handles}")
        assert sorted(mappings) == sorted(str(index) for index in range(70))
        assert all(mapping.size == (int(name) % 3 + 1) << 20 for name, mapping in mappings.items())
        with open(folder + "/5", "r+b") as plain: plain.write(b"five")
        assert bytes(host(mappings["5"].array((4,), "uint8"))) == b"five"
        assert leases() == 70
        try:
            gmemfs.map_directory(folder, exclusive=True)
            raise AssertionError
        except OSError as error:
            assert error.errno == 16 and "/shards/0" in error.filename, error
        mappings.pop("7").unmap()
        assert leases() == 69
        mappings.clear()
        gc.collect()
        assert leases() == 0
        """)


def test_the_memory_lives_as_long_as_the_last_consumer(mount):
    run(mount, """
        view = host(gmemfs.open(mount + "/f", 2 << 20).map().array((10,), "int64"))
        gc.collect()
        assert leases() == 1
        assert view.sum() == 0
        del view
        gc.collect()
        assert leases() == 0
        """)


def test_a_capsule_that_nobody_takes_lets_go(mount):
    run(mount, """
        mapping = gmemfs.open(mount + "/f", 2 << 20).map()
        capsules = [mapping.__dlpack__(max_version=version) for version in (None, (1, 0))]
        del mapping
        gc.collect()
        assert leases() == 1
        del capsules[0]
        assert leases() == 1
        del capsules[0]
        assert leases() == 0
        """)


def test_what_the_protocols_show(mount):
    run(mount, """
        array = gmemfs.tensor(mount + "/f", (4, 5), numpy.float16, create=True)
        assert array.__dlpack_device__() == (2, 0) and array.dtype == "float16" and array.nbytes == 40
        shown = array.__cuda_array_interface__
        assert shown["shape"] == (4, 5) and shown["typestr"] == "<f2" and shown["data"] == (array.address, False)
        read_only = gmemfs.tensor(mount + "/f", (4, 5), "float16", read_only=True)
        assert read_only.__cuda_array_interface__["data"][1] is True
        try: read_only.__dlpack__()
        except BufferError: pass
        else: raise AssertionError("a consumer that knows no read-only tensors gets one")
        assert not host(read_only).flags.writeable
        assert not hasattr(array.view((4, 5), "bfloat16"), "__cuda_array_interface__")
        """)


def test_errors_name_the_file_and_the_reason(mount):
    run(mount, """
        def failure(call):
            try: call()
            except Exception as error: return error
        missing = failure(lambda: gmemfs.open(mount + "/none"))
        assert isinstance(missing, FileNotFoundError) and missing.filename == mount + "/none"
        elsewhere = failure(lambda: gmemfs.open("/dev/null"))
        assert "no gmemfs mount" in str(elsewhere), elsewhere
        empty = failure(lambda: gmemfs.open(mount + "/empty", 0).map())
        assert "truncate it to a size" in str(empty), empty
        held = gmemfs.open(mount + "/f", 1 << 20).map(exclusive=True)
        busy = failure(lambda: gmemfs.open(mount + "/f").map())
        assert busy.errno == 16 and str(os.getpid()) in str(busy), busy
        assert isinstance(failure(lambda: held.array((1 << 30,), "uint8")), ValueError)
        assert isinstance(failure(lambda: held.array((1,), "float32", offset=2)), ValueError)
        held.unmap()
        assert isinstance(failure(lambda: held.array((1,), "uint8")), ValueError)
        """)


def test_safetensors_of_every_type_come_back(mount):
    run(mount, """
        from gmemfs.dtypes import BY_SAFETENSORS
        random = numpy.random.default_rng(1)
        wanted, tensors = {}, {}
        for index, (name, dtype) in enumerate(BY_SAFETENSORS.items()):
            shape = (index + 1, 8)
            source = gmemfs.tensor(f"{mount}/{name}", shape, dtype.name, create=True)
            wanted[name] = random.bytes(source.nbytes)
            with open(f"{mount}/{name}", "r+b") as plain: plain.write(wanted[name])
            tensors[name] = source
        gmemfs_context = ctypes.c_void_p()
        driver = ctypes.CDLL(os.environ["GMEMFS_DRIVER"])
        assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(gmemfs_context), 0) == 0
        assert driver.cuCtxSetCurrent(gmemfs_context) == 0
        gmemfs.save_safetensors(tensors, mount + "/model", metadata={"made": "here"})
        loaded = gmemfs.load_safetensors(mount + "/model")
        assert set(loaded) == set(tensors)
        for name, array in loaded.items():
            assert array.shape == tensors[name].shape and array.element_type == BY_SAFETENSORS[name]
            assert bytes(host(array.as_bytes())) == wanted[name], name
            assert array.address % max(1, array.element_type.bits // 8) == 0
        assert leases() == len(tensors) + 1, "one mapping for the whole model"
        assert sorted(os.listdir(mount)) == sorted([*tensors, "model"]), "no temporary file is left"
        """)


def test_numpy_arrays_are_saved_as_the_format_has_it(mount):
    run(mount, """
        arrays = {"a": numpy.arange(7, dtype="u1"), "b": numpy.arange(12.0).reshape(3, 4), "c": numpy.float32(1.5),
                  "d": numpy.zeros((0, 3), dtype="i2"), "e": numpy.arange(6).reshape(2, 3).T}
        gmemfs.save_safetensors(arrays, mount + "/model")
        raw = open(mount + "/model", "rb").read()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:8 + length])
        for name, array in arrays.items():
            begin, end = header[name]["data_offsets"]
            found = numpy.frombuffer(raw[8 + length + begin:8 + length + end], array.dtype).reshape(array.shape)
            assert (found == array).all() and header[name]["shape"] == list(array.shape)
        spans = sorted(entry["data_offsets"] for entry in header.values())
        assert spans[0][0] == 0 and spans[-1][1] == len(raw) - 8 - length
        assert all(left[1] == right[0] for left, right in zip(spans, spans[1:])), "no gap"
        """)


def test_an_unaligned_tensor_is_refused_by_name(mount):
    run(mount, """
        header = json.dumps({"odd": {"dtype": "F64", "shape": [1], "data_offsets": [1, 9]},
                             "byte": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        header += b" " * (-len(header) % 8)
        with open(mount + "/model", "wb") as file: file.write(len(header).to_bytes(8, "little") + header + bytes(9))
        try: gmemfs.load_safetensors(mount + "/model")
        except ValueError as error: assert "odd" in str(error) and "save_safetensors" in str(error)
        else: raise AssertionError("it was handed out")
        """)


@pytest.mark.parametrize("header", [
    b"", b"x" * 7, b"\xff" * 8, (2).to_bytes(8, "little") + b"[]", (2).to_bytes(8, "little") + b"{x",
    (55).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  ',
    (56).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}  ' + bytes(8),
    (56).to_bytes(8, "little") + b'{"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}  ' + bytes(8),
    (57).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}  ' + bytes(8)])
def test_spoilt_safetensors_are_refused(mount, header):
    (mount / "model").write_bytes(header)
    run(mount, """
        try: gmemfs.load_safetensors(mount + "/model")
        except ValueError as error: assert "model" in str(error)
        else: raise AssertionError("it was loaded")
        """)


def test_pip_installs_it_with_no_network(tmp_path):
    before = sorted(path for path in (ROOT / "client/python").rglob("*") if "__pycache__" not in path.parts)
    done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", tmp_path,
                           ROOT / "client/python"], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert before == sorted(path for path in (ROOT / "client/python").rglob("*") if "__pycache__" not in path.parts)
    environment = {**PEER, "PYTHONPATH": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", "import gmemfs; print(gmemfs.__file__, gmemfs.version())"],
                           env=environment, check=True, capture_output=True, text=True).stdout
    assert found.startswith(str(tmp_path)) and (tmp_path / "gmemfs/py.typed").exists()
