"""Pool: NVIDIA's own Python bindings, which know nothing of gmemfs, under `gmemfs run`, on the simulator."""
import signal
import subprocess
import sys
import textwrap
import time

import test_package
from preloaded import PATIENCE_S, preload
from test_package import BUILD, fixture_mount  # noqa: F401

SIMULATED = {**test_package.SIMULATED, **preload()}

TOOLS = textwrap.dedent("""
    import ctypes, errno, os, subprocess, sys
    from cuda.bindings import driver
    import gmemfs

    def done(answer):
        assert answer[0] == 0, answer
        return answer[1] if len(answer) == 2 else answer[1:]

    done(driver.cuInit(0))
    done(driver.cuCtxSetCurrent(done(driver.cuDevicePrimaryCtxRetain(done(driver.cuDeviceGet(0))))))

    def allocate(size, value):
        address = int(done(driver.cuMemAlloc(size)))
        done(driver.cuMemsetD8(address, value, size))
        return address

    class Tensor:  # as PyTorch's
        def __init__(self, address, shape, dtype, contiguous=True):
            self.address, self.shape, self.dtype, self.contiguous = address, shape, dtype, contiguous
        def data_ptr(self): return self.address
        def is_contiguous(self): return self.contiguous

    class Interface:
        def __init__(self, address, shape, typestr, strides=None):
            self.__cuda_array_interface__ = dict(shape=shape, typestr=typestr, version=3, data=(address, False),
                                                 strides=strides)

    class DLPack:  # a capsule that nobody takes
        def __init__(self, address, code, bits, shape, strides=None, versioned=False):
            from gmemfs import dlpack
            i64 = ctypes.c_int64 * len(shape)
            self.shape, self.strides = i64(*shape), strides and i64(*strides)
            plain = dlpack._Tensor(address, 2, 0, len(shape), code, bits, 1, self.shape, self.strides, 0)
            self.made = dlpack._Versioned(tensor=plain) if versioned else plain
            self.name = b"dltensor_versioned" if versioned else b"dltensor"
        def __dlpack__(self):
            new = ctypes.pythonapi.PyCapsule_New
            new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
            return new(ctypes.addressof(self.made), self.name, None)

    def refused(kind, words, call, *arguments, code=None):
        try:
            call(*arguments)
        except kind as error:
            assert words in str(error) and "\\n" not in str(error), error
            assert code is None or error.errno == code, error
            return
        raise AssertionError(f"not refused: {arguments}")
""")

PROGRAM = textwrap.dedent("""
    import os, sys
    from cuda.bindings import driver

    def done(answer):
        assert answer[0] == 0, answer
        return answer[1] if len(answer) == 2 else answer[1:]

    done(driver.cuInit(0))
    device = done(driver.cuDeviceGet(0))
    done(driver.cuCtxSetCurrent(done(driver.cuDevicePrimaryCtxRetain(device))))
    first = done(driver.cuMemAlloc(1000))
    done(driver.cuMemsetD8(first, 7, 1000))
    second = done(driver.cuMemAllocAsync(3 << 20, 0))
    large = done(driver.cuMemAlloc(40 << 20))
    seen = bytearray(1000)
    done(driver.cuMemcpyDtoH(seen, first, 1000))
    assert seen == bytes([7]) * 1000
    base, size = done(driver.cuMemGetAddressRange(int(second) + 5))
    assert (int(base), size) == (int(second), 3 << 20), (base, size)
    folder, = (entry.path for entry in os.scandir(sys.argv[1]))
    files = {entry.name: entry.stat().st_size for entry in os.scandir(folder)}
    assert files == {"arena-0": 64 << 20, "alloc-000000-40MiB": 40 << 20}, files
    assert open(folder + "/arena-0", "rb").read(1000) == seen
    free, total = done(driver.cuMemGetInfo())
    done(driver.cuMemFree(large))
    done(driver.cuMemFreeAsync(second, 0))
    done(driver.cuMemFree(first))
    more = done(driver.cuMemGetInfo())[0] - free
    assert 0 <= (43 << 20) + 1024 - more <= 2 << 20, more  # waiting for a context leaves a byte of its own there
    print("all of it")
""")


def test_memory_of_nvidias_bindings_is_files(mount):
    work = mount / "work"
    done = subprocess.run([BUILD / "gmemfs", "run", "--pool", work, sys.executable, "-c", PROGRAM, work],
                          env=SIMULATED, timeout=PATIENCE_S, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all of it\n"), done.stderr


def run_in_pool(mount, script, *options):
    return subprocess.Popen([BUILD / "gmemfs", "run", "--pool", mount / "work", *options, sys.executable, "-c",
                             TOOLS + textwrap.dedent(script), mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, env={**test_package.PEER, **SIMULATED})


def elsewhere(mount, script):
    test_package.run(mount, script)


NAMES = """
    small = allocate(6000, 1)
    done(driver.cuMemsetD8(small + 1024, 2, 24))
    large = allocate(40 << 20, 3)
    paths = [gmemfs.name_tensor(Tensor(small + 1024, (2, 3), "float32"), "kv/layer0"),
             gmemfs.name_tensor(Interface(large, (40, 1 << 20), "|u1"), "kv/layer1"),
             gmemfs.name_tensor(DLPack(large + (1 << 20), 4, 16, (1 << 10,)), "half"),
             gmemfs.name_tensor(DLPack(large, 0, 64, (2, 2), (2, 1), True), "deep/er/one")]
    done(driver.cuCtxSynchronize())
    print(*paths, flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_finds_tensors_by_their_names(mount):
    program = run_in_pool(mount, NAMES)
    paths = program.stdout.readline().split()
    assert all(path.startswith(str(mount / "work")) for path in paths), paths
    elsewhere(mount, f"""
        first, second, half, deep = {paths!r}
        array = gmemfs.tensor(first)
        assert (array.shape, array.dtype, array.nbytes) == ((2, 3), "float32", 24), array
        assert bytes(host(array).tobytes()) == bytes([2]) * 24
        assert array.offset == 1024
        with open(first, "rb") as plain: assert plain.read(2000)[1024:1048] == bytes([2]) * 24
        array = gmemfs.tensor(second)  # a file of its own: its bytes are at the start
        assert (array.shape, array.dtype, array.offset) == ((40, 1 << 20), "uint8", 0), array
        assert (host(array) == 3).all() and open(second, "rb").read(100) == bytes([3]) * 100
        array = gmemfs.tensor(half, read_only=True)
        assert (array.shape, array.dtype, array.offset) == ((1024,), "bfloat16", 1 << 20), array
        array = gmemfs.tensor(deep)
        assert (array.shape, array.dtype, array.offset) == ((2, 2), "int64", 0), array
        assert os.path.samefile(second, half) and not os.path.samefile(first, second)
        """)
    program.communicate("\n", timeout=PATIENCE_S)
    assert program.returncode == 0
    deadline(lambda: not list((mount / "work").iterdir()))


def test_names_of_a_killed_program_that_keeps_its_files_are_there(mount):
    program = run_in_pool(mount, NAMES, "--keep")
    paths = program.stdout.readline().split()
    program.send_signal(signal.SIGKILL)
    program.communicate(timeout=PATIENCE_S)
    (mount / "work").rename(mount / "elsewhere")
    elsewhere(mount, f"""
        first, second, *_ = [path.replace("/work/", "/elsewhere/") for path in {paths!r}]
        assert host(gmemfs.tensor(first)).tobytes() == bytes([2]) * 24
        assert (host(gmemfs.tensor(second)) == 3).all()
        os.rename(first, mount + "/another")
        try: gmemfs.tensor(mount + "/another")
        except ValueError as error: assert "no tensor has this name" in str(error), error
        else: raise AssertionError
        """)


def test_what_cant_have_a_name_is_told(mount):
    program = run_in_pool(mount, """
        address = allocate(4096, 1)
        tensor = Tensor(address, (16,), "float32")
        path = gmemfs.name_tensor(tensor, "taken")
        refused(FileExistsError, "unname_tensor", gmemfs.name_tensor, tensor, "taken", code=errno.EEXIST)
        for name in ("", "/a", "../a", "a//b", "a/", ".", "x" * 250):
            refused(ValueError, "a name", gmemfs.name_tensor, tensor, name)
        host = ctypes.create_string_buffer(100)
        refused(ValueError, "isn't the pool's", gmemfs.name_tensor, Tensor(ctypes.addressof(host), (4,), "uint8"), "a")
        refused(ValueError, "isn't the pool's", gmemfs.name_tensor, Tensor(address, (4097,), "uint8"), "a")
        refused(ValueError, "contiguous", gmemfs.name_tensor, Tensor(address, (4,), "uint8", False), "a")
        refused(ValueError, "row order", gmemfs.name_tensor, Interface(address, (2, 2), "<f4", (4, 8)), "a")
        refused(ValueError, "contiguous", gmemfs.name_tensor, DLPack(address, 2, 32, (2, 2), (1, 2)), "a")
        refused(ValueError, "no memory", gmemfs.name_tensor, Tensor(address, (0,), "uint8"), "a")
        refused(TypeError, "neither", gmemfs.name_tensor, b"bytes", "a")
        refused(TypeError, "element type", gmemfs.name_tensor, DLPack(address, 7, 3, (1,)), "a")
        gmemfs.unname_tensor(path)
        refused(FileNotFoundError, "", gmemfs.unname_tensor, path)
        assert gmemfs.name_tensor(tensor, "taken") == path
        assert len(os.listdir(os.path.dirname(path))) == 2, os.listdir(os.path.dirname(path))
        print("all of it")
        """)
    assert program.communicate(timeout=PATIENCE_S)[0] == "all of it\n"
    elsewhere(mount, """
        class Tensor:
            shape, dtype = (1,), "uint8"
            def data_ptr(self): return 4096
        try: gmemfs.name_tensor(Tensor(), "a")
        except OSError as error: assert error.errno == 95 and "gmemfs run" in str(error), error
        else: raise AssertionError
        gmemfs.open(mount + "/plain", 4096).close()
        for arguments in ((), ((4,),), (None, "uint8")):
            try: gmemfs.tensor(mount + "/plain", *arguments)
            except (ValueError, TypeError) as error: assert "shape" in str(error), error
            else: raise AssertionError
        def told(offset, length, dtype): return json.dumps(dict(offset=offset, shape=[length], dtype=dtype)).encode()
        for value in (b"{", b"[]", b"{}", b"\\xff", told(-1, 4, "uint8"), told(0, -4, "uint8"), told(4096, 4, "uint8"),
                      told(0, 4, "no")):
            os.setxattr(mount + "/plain", "user.tensor.plain", value)
            try: gmemfs.tensor(mount + "/plain")
            except ValueError as error: assert "plain" in str(error), error
            else: raise AssertionError(value)
        """)


def deadline(what):
    end = time.monotonic() + 30
    while not what():
        assert time.monotonic() < end
