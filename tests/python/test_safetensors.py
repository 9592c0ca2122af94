"""Safetensors on the simulator: the right bytes, or an error: types, layouts, streams, files replaced meanwhile."""
import importlib.util
import subprocess
import textwrap

import pytest
from test_package import BUILD, PEER, SIMULATED, fixture_mount, run  # noqa: F401

TOOLS = """
import subprocess, textwrap, threading
def failure(call, *arguments, **named):
    try: call(*arguments, **named)
    except Exception as error: return error
    raise AssertionError(f"nothing was refused: {arguments} {named}")
def refused(kind, *words, of):
    error = failure(*of)
    assert type(error) is kind, repr(error)
    assert str(error).startswith("gmemfs: ") and all(word in str(error) for word in words), error
def parts(path):
    raw = open(path, "rb").read()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:8 + length]), raw[8 + length:]
def stored(path, name):
    header, data = parts(path)
    return data[slice(*header[name]["data_offsets"])]
def write(path, header, data=b""):
    if isinstance(header, str): header = header.encode()
    with open(path, "wb") as file: file.write(len(header).to_bytes(8, "little") + header + data)
driver = ctypes.CDLL(os.environ["GMEMFS_DRIVER"])
def context(ordinal=0):
    found = ctypes.c_void_p()
    assert driver.cuInit(0) == 0
    assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(found), ordinal) == 0
    assert driver.cuCtxSetCurrent(found) == 0
class Device:
    '''What CuPy and others show of an array.'''
    def __init__(self, **interface): self.__cuda_array_interface__ = {"version": 3, "strides": None, **interface}
def on_device(name, values, **more):
    '''Of these values, in a file's memory.'''
    with open(mount + "/" + name, "wb") as plain: plain.write(values.tobytes() or b"0")
    array = gmemfs.open(mount + "/" + name).map().array((values.nbytes,), "uint8")
    shown = {"shape": values.shape, "typestr": values.dtype.str, "data": (array.address, False), **more}
    found = Device(**shown)
    found.keep = array
    return found
model = mount + "/model"
"""


def check(mount, script, **environment):
    run(mount, TOOLS + textwrap.dedent(script), {**PEER, **environment})


def needs(*modules):
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} here")


def test_a_model_that_is_replaced_meanwhile_is_the_old_or_the_new_one(mount):
    check(mount, """
        values = {"w": numpy.full(8, 1, "u1"), "b": numpy.full(24, 2, "u1")}
        swapped = {"b": values["b"], "w": values["w"]}
        gmemfs.save_safetensors(values, model)
        ended = threading.Event()
        def replace():
            try:
                for _ in range(100):
                    for one in (swapped, values): gmemfs.save_safetensors(one, model)
            finally: ended.set()
        writer = threading.Thread(target=replace)
        writer.start()
        rounds = 0
        while not ended.is_set():
            for name, array in gmemfs.load_safetensors(model).items():
                assert (host(array) == values[name]).all(), (rounds, name)
            rounds += 1
        writer.join()
        assert rounds > 20, rounds
        """)


def test_a_model_is_read_through_the_file_that_is_mapped(mount):
    check(mount, """
        first = {"w": numpy.full(8, 1, "u1"), "b": numpy.full(24, 2, "u1")}
        gmemfs.save_safetensors(first, model)
        map_of, opened = gmemfs.File.map, gmemfs.file.open
        def replace(): gmemfs.save_safetensors({"b": first["b"], "w": first["w"], "x": first["b"]}, model)
        def open_late(path, *more, **named):
            if path == model: replace()
            return opened(path, *more, **named)
        module = sys.modules["gmemfs.safetensors"]
        module.open_file = open_late
        loaded = gmemfs.load_safetensors(model)
        assert set(loaded) == {"w", "b", "x"} and (host(loaded["w"]) == 1).all() and (host(loaded["b"]) == 2).all()
        # Written in place, by somebody who doesn't care: no mixture either.
        module.open_file = opened
        def map_late(file, **named):
            raw = open(model, "rb").read()
            with open(model, "wb") as plain: plain.write(raw.replace(b'"w"', b'"v"'))
            return map_of(file, **named)
        gmemfs.File.map = map_late
        refused(ValueError, model, "again", of=(gmemfs.load_safetensors, model))
        """)


def test_packed_fp4_takes_half_a_byte_a_value(mount):
    check(mount, """
        tensors = {}
        for name, byte in (("a", 1), ("b", 2)):
            tensors[name] = gmemfs.tensor(mount + "/" + name, (2, 4), "float4_e2m1fn_x2", create=True)
            assert tensors[name].nbytes == 8
            with open(mount + "/" + name, "r+b") as plain: plain.write(bytes([byte]) * 8)
        gmemfs.save_safetensors(tensors, model)
        header, data = parts(model)
        assert header["a"] == {"dtype": "F4", "shape": [2, 8], "data_offsets": [0, 8]}, header
        assert header["b"] == {"dtype": "F4", "shape": [2, 8], "data_offsets": [8, 16]} and len(data) == 16
        assert stored(model, "a") == b"\\1" * 8 and stored(model, "b") == b"\\2" * 8
        loaded = gmemfs.load_safetensors(model)
        assert loaded["b"].shape == (2, 4) and loaded["b"].dtype == "float4_e2m1fn_x2"
        assert host(loaded["b"]).tolist() == [[2] * 4] * 2
        refused(ValueError, "one", "dimension", of=(
            gmemfs.save_safetensors, {"one": loaded["a"].mapping.array((), "float4_e2m1fn_x2")}, model))
        write(model, '{"a":{"dtype":"F4","shape":[2,7],"data_offsets":[0,7]}}', bytes(7))
        refused(ValueError, model, "a", of=(gmemfs.load_safetensors, model))
        """)


def test_packed_fp6_takes_six_bits_and_nothing_else_is_called_so(mount):
    check(mount, """
        six = gmemfs.tensor(mount + "/six", (3, 4), "float6_e2m3fn", create=True)
        assert six.nbytes == 9
        gmemfs.save_safetensors({"a": six, "b": numpy.full(5, 7, "u1")}, model)
        header, data = parts(model)
        assert header["a"]["shape"] == [3, 4] and stored(model, "a") == bytes(9) and stored(model, "b") == b"\\7" * 5
        class Scalar: pass
        Scalar.__name__ = "float6_e2m3fn"
        assert type(failure(gmemfs.tensor, mount + "/six", (3, 4), Scalar)) is TypeError
        """)


@needs("ml_dtypes")
def test_small_types_of_ml_dtypes_are_saved_as_they_are_or_refused(mount):
    check(mount, """
        import ml_dtypes
        saved = {"bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ",
                 "float8_e5m2": "F8_E5M2", "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0"}
        wanted = {}
        for name in dir(ml_dtypes):
            if not isinstance(getattr(ml_dtypes, name), type) or name in ("finfo", "iinfo"): continue
            dtype = numpy.dtype(getattr(ml_dtypes, name))
            array = numpy.zeros(8, dtype)
            array.view("u1")[:] = numpy.arange(1, 1 + array.nbytes) % 2
            if name in saved: wanted[name] = array
            else: refused(TypeError, name, of=(gmemfs.save_safetensors, {"a": array, "b": array}, model))
        assert wanted.keys() == saved.keys()
        gmemfs.save_safetensors(wanted, model)
        header, _ = parts(model)
        for name, array in wanted.items():
            assert header[name]["dtype"] == saved[name] and stored(model, name) == array.tobytes(), name
            assert gmemfs.load_safetensors(model)[name].dtype == name
            assert gmemfs.tensor(model, (8,), array.dtype).dtype == name
        assert not os.path.exists(mount + "/none")
        """)


def test_byte_order_is_swapped_or_refused(mount):
    check(mount, """
        for typestr in (">f4", ">i2", ">u8", ">f8", ">c8", ">f2"):
            array = (numpy.arange(6) + 1).astype(typestr).reshape(2, 3)
            gmemfs.save_safetensors({"a": array, "b": array.T}, model)
            for name, wanted in (("a", array), ("b", array.T)):
                found = numpy.frombuffer(stored(model, name), "<" + typestr[1:]).reshape(wanted.shape)
                assert (found == wanted).all(), typestr
            for dtype in (typestr, numpy.dtype(typestr)):
                assert type(failure(gmemfs.tensor, model, (2, 3), dtype)) is TypeError
        array = numpy.arange(6, dtype=">f4")
        refused(TypeError, "a", of=(gmemfs.save_safetensors, {"a": on_device("big", array)}, model))
        assert gmemfs.tensor(model, (2, 3), numpy.dtype(">i1")).dtype == "int8", "a byte has no order"
        """)


def test_layouts_of_numpy_are_honoured_or_refused(mount):
    check(mount, """
        base = numpy.arange(24, dtype="i4").reshape(2, 3, 4)
        arrays = {"T": base.T, "step": base[:, ::2, ::3], "back": base[::-1, :, ::-1], "empty": base[:, :0],
                  "fortran": numpy.asfortranarray(base), "wide": numpy.broadcast_to(numpy.int32(7), (3, 5)),
                  "scalar": numpy.int32(5), "zero": base[0, 0, 0], "list": [[1, 2], [3, 4]], "bool": base > 5,
                  "field": numpy.zeros(3, [("a", "u1"), ("b", "f8")])["b"]}
        gmemfs.save_safetensors(arrays, model)
        header, _ = parts(model)
        for name, array in arrays.items():
            array = numpy.asarray(array)
            found = numpy.frombuffer(stored(model, name), array.dtype).reshape(array.shape)
            assert (found == array).all() and header[name]["shape"] == list(array.shape), name
        masked = numpy.ma.masked_array([1.0, 2.0], [False, True])
        refused(ValueError, "masked", "mask", of=(gmemfs.save_safetensors, {"masked": masked}, model))
        for value in (numpy.zeros(2, "c16"), numpy.zeros(2, "g"), numpy.zeros(2, "M8[s]"), numpy.array(["a"]),
                      numpy.zeros(2, [("a", "u1"), ("b", "f8")]), numpy.zeros(2, "V3"), object(), None, "text", b"b"):
            refused(TypeError, "odd", of=(gmemfs.save_safetensors, {"odd": value}, model))
        class Words:  # another framework's bfloat16, of which NumPy is shown the bare words
            dtype = "bfloat16"
            def __array__(self, dtype=None, copy=None): return numpy.zeros(2, "u2")
        refused(TypeError, "odd", of=(gmemfs.save_safetensors, {"odd": Words()}, model))
        assert sorted(os.listdir(mount)) == ["model"]
        """)


def test_device_arrays_are_taken_as_their_interface_says_or_refused(mount):
    check(mount, """
        base = numpy.arange(12, dtype="f4").reshape(3, 4)
        good = {"rows": on_device("1", base), "told": on_device("2", base, strides=(16, 4)),
                "one": on_device("3", base[:1], strides=(99, 4)), "bool": on_device("4", base > 3),
                "none": on_device("5", base[:0], data=(0, False), strides=(0, 0))}
        gmemfs.save_safetensors(good, model)  # with no context that is current
        header, _ = parts(model)
        for name, wanted in (("rows", base), ("told", base), ("one", base[:1]), ("bool", base > 3), ("none", base[:0])):
            assert stored(model, name) == wanted.tobytes() and header[name]["shape"] == list(wanted.shape), name
        half = on_device("6", base.view("V2")[:, :4], typestr="<V2")
        half.dtype = "bfloat16"  # as CuPy and JAX have it
        gmemfs.save_safetensors({"half": half}, model)
        assert parts(model)[0]["half"] == {"dtype": "BF16", "shape": [3, 4], "data_offsets": [0, 24]}
        for named in ({"strides": (4, 12)}, {"strides": (-16, 4)}, {"strides": (0, 4)}, {"mask": half}, {"stream": 0},
                      {"data": (0, False)}, {"shape": (-3, 4)}):
            refused(ValueError, "odd", of=(gmemfs.save_safetensors, {"odd": on_device("7", base, **named)}, model))
        for typestr in (">f4", "<c16", "|V4"):
            odd = on_device("7", base, typestr=typestr)
            refused(TypeError, "odd", of=(gmemfs.save_safetensors, {"odd": odd}, model))
        wrong = on_device("8", base)
        wrong.nbytes = 96  # elements of two values, say
        refused(TypeError, "96", of=(gmemfs.save_safetensors, {"odd": wrong}, model))
        """)


@pytest.mark.parametrize("told", ["stream", "nothing"])
def test_what_a_stream_still_makes_is_waited_for(mount, told):
    check(mount, f"""
        context()
        size = 32 << 20
        stream = ctypes.c_void_p()
        assert driver.cuStreamCreate(ctypes.byref(stream), 1) == 0
        arrays = [gmemfs.tensor(mount + "/" + name, (size,), "uint8", create=True) for name in "ab"]
        first, second = (ctypes.c_uint64(array.address) for array in arrays)
        shown = {{"shape": (size,), "typestr": "|u1", "data": (first.value, False)}}
        value = Device(**shown, **({{"stream": stream.value}} if "{told}" == "stream" else {{}}))
        for _ in range(40): assert driver.cuMemcpyDtoDAsync_v2(second, first, ctypes.c_size_t(size), stream) == 0
        assert driver.cuMemsetD8Async(first, 7, ctypes.c_size_t(size), stream) == 0
        gmemfs.save_safetensors({{"a": value, "b": numpy.zeros(3)}}, model)
        assert stored(model, "a") == b"\\7" * size
        """)


def test_every_stream_that_the_interface_knows_is_one(mount):
    check(mount, """
        for stream in (None, 1, 2):
            gmemfs.save_safetensors({"a": on_device("a", numpy.arange(3, dtype="i2"), stream=stream)}, model)
            assert stored(model, "a") == numpy.arange(3, dtype="i2").tobytes()
        """)


CAPTURE = """
import threading
stream, graph = ctypes.c_void_p(), ctypes.c_void_p()
def begin(flags, mode):
    assert driver.cuStreamCreate(ctypes.byref(stream), flags) == 0
    assert driver.cuStreamBeginCapture_v2(stream, mode) == 0
def end(): assert driver.cuStreamEndCapture(stream, ctypes.byref(graph)) == 0, "the capture is lost"
"""


@pytest.mark.parametrize("mode", [0, 1, 2])
@pytest.mark.parametrize("saver", ["thread", "itself"])
def test_a_save_leaves_a_capture_whole(mount, mode, saver):
    check(mount, CAPTURE + textwrap.dedent(f"""
        context()
        size = 8 << 20
        made = ctypes.c_void_p()
        assert driver.cuStreamCreate(ctypes.byref(made), 1) == 0
        array = gmemfs.tensor(mount + "/a", (size,), "uint8", create=True)
        other = on_device("b", numpy.arange(9, dtype="i4"), stream=made.value)
        begin(1, {mode})
        assert driver.cuMemsetD8Async(ctypes.c_uint64(array.address), 7, ctypes.c_size_t(size), made) == 0
        def saves(): gmemfs.save_safetensors({{"a": array, "b": other, "c": numpy.arange(3)}}, model)
        if "{saver}" == "itself": saves()
        else:
            thread = threading.Thread(target=saves)
            thread.start()
            thread.join()
        end()
        assert stored(model, "a") == b"\7" * size and stored(model, "b") == numpy.arange(9, dtype="i4").tobytes()
        """))


def test_an_array_of_a_stream_that_is_captured_is_refused_and_the_capture_stays(mount):
    check(mount, CAPTURE + """
context()
array = on_device("a", numpy.arange(9, dtype="i4"))
begin(1, 0)
array.__cuda_array_interface__["stream"] = stream.value
refused(ValueError, "array", "captured", of=(gmemfs.save_safetensors, {"array": array}, model))
assert not os.path.exists(model)
end()
gmemfs.save_safetensors({"array": array}, model)
assert stored(model, "array") == numpy.arange(9, dtype="i4").tobytes()
""")


def test_memory_of_another_device_is_saved_too(tmp_path):
    machine = {"GMEMFS_SIM_MACHINE": f"{SIMULATED['GMEMFS_SIM_MACHINE']}b", "GMEMFS_SIM_DEVICES": "256M,256M"}
    environment = {**SIMULATED, **machine, "GMEMFS_DRIVER": str(BUILD / "sim/libcuda.so.1")}
    mounts = [tmp_path / "one", tmp_path / "two"]
    for ordinal, path in enumerate(mounts):
        path.mkdir()
        subprocess.run([BUILD / "gmemfs", "mount", path, "--simulate", "--device", str(ordinal)], env=environment,
                       check=True, timeout=30)
    try:
        check(mounts[0], f"""
            other = gmemfs.tensor("{mounts[1]}/other", (70 << 20,), "uint8", create=True)
            with open("{mounts[1]}/other", "r+b") as plain: plain.write(b"there" * (14 << 20))
            assert other.mapping.device == 1
            gmemfs.save_safetensors({{"a": other, "b": on_device("b", numpy.arange(4))}}, model)
            assert stored(model, "a") == b"there" * (14 << 20) and stored(model, "b") == numpy.arange(4).tobytes()
            """, **machine)
    finally:
        for path in mounts:
            subprocess.run([BUILD / "gmemfs", "umount", path], check=True, timeout=30)


def test_of_several_that_save_one_name_the_last_wins(mount):
    check(mount, """
        models = [{"a": numpy.full(100, value, "u1"), "b": numpy.full(100, value, "u1")} for value in range(8)]
        gmemfs.save_safetensors(models[0], model)
        failures = []
        def save(mine):
            try:
                for _ in range(25): gmemfs.save_safetensors(mine, model)
            except BaseException as error: failures.append(error)
        threads = [threading.Thread(target=save, args=(mine,)) for mine in models]
        for thread in threads: thread.start()
        seen = set()
        while any(thread.is_alive() for thread in threads):
            header, data = parts(model)
            assert len(set(data)) == 1, "a mixture"
            seen.add(data[0])
        assert not failures and len(seen) > 1, (failures, seen)
        gmemfs.save_safetensors(models[3], model)
        assert set(parts(model)[1]) == {3} and os.listdir(mount) == ["model"]
        """)


@pytest.mark.parametrize("way", ["nameless", "named"])
@pytest.mark.parametrize("moment", ["rename", "pwrite"])
def test_a_killed_saver_leaves_nothing_for_long(mount, way, moment):
    check(mount, f"""
        from gmemfs import new_file
        if "{way}" == "named": new_file._NAMELESS = os.O_DIRECTORY  # EISDIR, as kernels before 3.11 say
        def leftovers(): return [name for name in os.listdir(mount) if name != "model"]
        child = '''
            import gmemfs, numpy, os, sys
            from gmemfs import new_file
            if "{way}" == "named": new_file._NAMELESS = os.O_DIRECTORY
            setattr(os, "{moment}", lambda *_, **__: (print("there", flush=True), sys.stdin.read()))
            gmemfs.save_safetensors({{"a": numpy.zeros(1 << 20)}}, sys.argv[1])
            '''
        gmemfs.save_safetensors({{"a": numpy.ones(3)}}, model)
        saver = subprocess.Popen([sys.executable, "-c", textwrap.dedent(child), model],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert saver.stdout.readline() == b"there\\n"
        has_name = "{way}" == "named" or "{moment}" == "rename"
        assert len(leftovers()) == has_name
        gmemfs.save_safetensors({{"a": numpy.full(3, 2.0)}}, model)
        assert len(leftovers()) == has_name, "its maker lives"
        saver.kill()
        saver.wait()
        assert len(leftovers()) == has_name
        open(mount + "/.gmemfs-save.mine", "wb").close()
        gmemfs.save_safetensors({{"a": numpy.full(3, 3.0)}}, model)
        assert leftovers() == [".gmemfs-save.mine"]
        assert stored(model, "a") == numpy.full(3, 3.0).tobytes()
        """)


@pytest.mark.parametrize("way", ["nameless", "named"])
def test_a_new_model_is_made_as_any_file_is(mount, way):
    check(mount, f"""
        from gmemfs import new_file
        if "{way}" == "named": new_file._NAMELESS = os.O_DIRECTORY
        os.umask(0o027)
        os.chdir(mount)
        for path in ("here", b"bytes", "n" * 255):
            gmemfs.save_safetensors({{"a": numpy.ones(3)}}, path)
            assert os.stat(path).st_mode & 0o777 == 0o640
            assert gmemfs.load_safetensors(path, framework=None)["a"].shape == (3,)
        os.mkdir("folder")
        assert type(failure(gmemfs.save_safetensors, {{"a": numpy.ones(3)}}, "folder")) is IsADirectoryError
        large = numpy.zeros(1 << 29, "u1")
        full = failure(gmemfs.save_safetensors, {{"a": large}}, "full")
        assert full.errno == 28 and full.filename == "full" and "/proc" not in str(full), full
        os.mkdir(mount + ".elsewhere")
        elsewhere = failure(gmemfs.save_safetensors, {{"a": numpy.ones(3)}}, mount + ".elsewhere/f")
        assert elsewhere.errno == 25 and elsewhere.filename.endswith("/f") and "/proc" not in str(elsewhere), elsewhere
        assert not os.listdir(mount + ".elsewhere")
        missing = failure(gmemfs.save_safetensors, {{"a": numpy.ones(3)}}, "none/f")
        assert type(missing) is FileNotFoundError, missing
        assert not [name for name in os.listdir(".") if name.startswith(".")]
        """)


def test_a_tensor_past_the_files_size_is_refused(mount):
    check(mount, """
        with open(mount + "/f", "wb") as plain: plain.write(b"x" * 100)
        refused(ValueError, "/f", "100 bytes", of=(gmemfs.tensor, mount + "/f", (1000,), "uint8"))
        mapping = gmemfs.open(mount + "/f").map()
        assert mapping.array((100,), "uint8").nbytes == 100 and mapping.array((0,), "uint8", 100).nbytes == 0
        for shape, offset in (((101,), 0), ((1,), 100), ((0,), 101), ((1,), -1), ((1 << 62, 4), 0), ((-1, -1), 0)):
            refused(ValueError, of=(mapping.array, shape, "uint8", offset))
        for shape, offset in (((1.5,), 0), (("1",), 0), ((1,), 0.5)):
            assert type(failure(mapping.array, shape, "uint8", offset)) is TypeError
        assert mapping.array(numpy.array([10, 10], "i1"), "uint8", numpy.int16(0)).shape == (10, 10)
        large = failure(gmemfs.tensor, mount + "/f", (numpy.int32(1 << 20), numpy.int32(1 << 20)), "uint8")
        assert type(large) is ValueError, large
        """)


def test_an_empty_tensor_is_an_empty_array(mount):
    check(mount, """
        for create in (True, False):
            array = gmemfs.tensor(mount + "/f", (0, 3), "float32", create=create)
            assert array.shape == (0, 3) and array.nbytes == 0 and host(array).shape == (0, 3) and leases() == 0
            assert array.__cuda_array_interface__["data"] == (0, False) and array.__dlpack_device__() == (2, 0)
            assert array.view((0,), "int8").shape == (0,)
        assert os.stat(mount + "/f").st_size == 0
        gmemfs.save_safetensors({"a": array, "b": numpy.ones(1)}, model)
        assert gmemfs.load_safetensors(model)["a"].shape == (0, 3)
        refused(ValueError, of=(gmemfs.tensor, mount + "/f", (1,), "float32"))
        assert type(failure(gmemfs.tensor, mount + "/none", (0, 3), "float32")) is FileNotFoundError
        """)
