"""The format on the simulator: as strict as the safetensors package both ways; frameworks by every name; paths."""
import pytest
from fuzz_safetensors import fuzz
from test_package import fixture_mount  # noqa: F401
from test_safetensors import check, needs


@needs("safetensors")
def test_both_readers_and_both_writers_agree():
    files, taken = fuzz(seed=13, count=2000)
    assert files == 2000 and 600 < taken < 1400


SOUND = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


REFUSED = [
    ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}', 8),
    ('{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    ('{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[4,12]}}', 12),
    ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[5,9]}}', 9),
    ('{"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}}', 5), (SOUND, 9), (SOUND, 7),
    (SOUND.replace("[0,8]", "[0.0,8.0]"), 8), (SOUND.replace("[0,8]", "[0,8,8]"), 8),
    (SOUND.replace("[0,8]", "[8,0]"), 8),
    (SOUND.replace("[0,8]", "[-0,8]"), 8), (SOUND.replace("[0,8]", '"08"'), 8), (SOUND.replace("[0,8]", "null"), 8),
    (SOUND.replace("[0,8]", "[0,18446744073709551624]"), 8), (SOUND.replace("[2]", '""'), 4),
    (SOUND.replace("[2]", "[2.0]"), 8), (SOUND.replace("[2]", "[true,2]"), 8), (SOUND.replace("[2]", "[-1,-2]"), 8),
    (SOUND.replace("[2]", "[4294967296,4294967296,0]"), 8), (SOUND.replace("[2]", "2"), 8),
    (SOUND.replace("[2]", "{}"), 4),
    (SOUND.replace("F32", "f32"), 8), (SOUND.replace('"F32"', "[]"), 8), (SOUND.replace('"F32"', "{}"), 8),
    (SOUND.replace("F32", "F4").replace("8]", "2]").replace("[2]", "[3]"), 2),
    ('{"a":{"shape":[2],"data_offsets":[0,8]}}', 8), ('{"a":[]}', 0), ('{"a":null}', 0), ('{"a":' + "[" * 100_000, 0),
    ('{"a":{"x":' + "[" * 130 + "]" * 130 + "," + SOUND[6:], 8),
    ('{"__metadata__":{"epoch":3},' + SOUND[1:], 8), ('{"__metadata__":[],' + SOUND[1:], 8),
    ('{"__metadata__":{},"__metadata__":{},' + SOUND[1:], 8), (SOUND.replace('"a"', '"\\ud800"'), 8),
    (SOUND.encode("utf-16"), 8), (SOUND.encode().replace(b"a", b"\xff", 1), 8), (SOUND.encode("utf-8-sig"), 8),
    (SOUND + "\0", 8), (SOUND + "x", 8), (SOUND.replace("}}", ',"x":NaN}}'), 8),
    (SOUND.replace("}}", ',"x":1e999}}'), 8),
    ("null", 0), ("", 0)]


def test_what_safetensors_refuses_is_refused(mount):
    for index, (header, data) in enumerate(REFUSED):
        raw = header if isinstance(header, bytes) else header.encode()
        (mount / str(index)).write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(data))
    check(mount, """
        for name in os.listdir(mount):
            refused(ValueError, f"/{name}: ", of=(gmemfs.load_safetensors, f"{mount}/{name}"))
        """)


@needs("safetensors")
def test_what_is_refused_here_safetensors_refuses():
    import safetensors
    for header, data in REFUSED:
        raw = header if isinstance(header, bytes) else header.encode()
        with pytest.raises(safetensors.SafetensorError):
            safetensors.deserialize(len(raw).to_bytes(8, "little") + raw + bytes(data))


def test_what_safetensors_takes_is_taken(mount):
    check(mount, """
        for name in ("F8_E4M3FNUZ", "F8_E5M2FNUZ", "F8_E8M0", "F8_E4M3", "F8_E5M2"):
            write(model, json.dumps({"a": {"dtype": name, "shape": [3], "data_offsets": [0, 3]}}), b"abc")
            array = gmemfs.load_safetensors(model)["a"]
            assert array.element_type.safetensors == name and bytes(host(array.as_bytes())) == b"abc"
        one = '"a":{"data_offsets":[0,8],"shape":[2],"x":[null,-1,1e9],"dtype":"F32"}'
        for text in ("{%s}", " \\n{%s}\\t ", '{"__metadata__":null,%s}', '{"__metadata__":{"k":"v"},%s}',
                     '{"z":{"dtype":"F64","shape":[0,7],"data_offsets":[8,8]},%s}',
                     '{"z":{"dtype":"F64","shape":[7,0],"data_offsets":[0,0]},%s}'):
            text = text % one
            text += " " * (-len(text) % 8)
            write(model, text, numpy.arange(2, dtype="f4").tobytes())
            assert host(gmemfs.load_safetensors(model)["a"]).tolist() == [0, 1], text
        write(model, "{}")
        assert gmemfs.load_safetensors(model) == {}
        """)


def test_what_safetensors_would_refuse_is_not_written(mount):
    check(mount, """
        one = numpy.ones(2, "f4")
        for name in ("__metadata__", 3, None, b"a", "a\\udc80"):
            refused(ValueError, "model", of=(gmemfs.save_safetensors, {name: one}, model))
        for metadata in ({"epoch": 3}, {3: "epoch"}, {"a": None}, {"a": "\\ud800"}, {"\\udfff": "a"},
                         {"a": "x" * 100_000_000}):
            refused(ValueError, "model", of=(gmemfs.save_safetensors, {"a": one}, model, metadata))
        assert os.listdir(mount) == []
        odd = {"": one, "\\u0000\\"\\\\": one, "\\U0001f600": one, "\\u2028": one}
        for metadata in (None, {}, {"": "\\u00e9\\x00"}):
            gmemfs.save_safetensors(odd, model, metadata)
            assert gmemfs.load_safetensors(model).keys() == odd.keys()
            header, data = parts(model)
            assert header.get("__metadata__") == metadata and len(data) == 32
        gmemfs.save_safetensors({}, model)
        assert gmemfs.load_safetensors(model) == {} and parts(model) == ({}, b"")
        """)


@needs("safetensors")
def test_safetensors_reads_what_is_saved_and_the_other_way_round(mount):
    check(mount, """
        import safetensors.numpy
        random = numpy.random.default_rng(3)
        shapes, dtypes = ((3,), (), (0, 4), (2, 3, 5), (1, 7)), ("f8", "f4", "f2", "i8", "i1", "u2", "u4", "?", "c8")
        arrays = {f"{index} {dtype}": random.integers(0, 2, shape).astype(dtype)
                  for index, shape in enumerate(shapes) for dtype in dtypes}
        gmemfs.save_safetensors(arrays, model, {"made": "here"})
        for name, array in safetensors.numpy.load_file(model).items():
            assert array.dtype == arrays[name].dtype and array.shape == arrays[name].shape, name
            assert (array == arrays[name]).all(), name
        safetensors.numpy.save_file(arrays, mount + "/theirs")
        theirs = gmemfs.load_safetensors(mount + "/theirs")
        assert theirs.keys() == arrays.keys()
        for name, array in theirs.items():
            assert array.dtype == arrays[name].dtype.name and array.shape == arrays[name].shape, name
            assert bytes(host(array.as_bytes())) == arrays[name].tobytes(), name
        """)


def test_each_tensor_lies_where_jax_wants_it_unless_one_before_is_odd(mount):
    check(mount, """
        sizes = [3, 16, 7, 48, 1, 4096, 10, 32, 0, 24, 160, 8]
        gmemfs.save_safetensors({str(size): numpy.zeros(size, "u1") for size in sizes}, model)
        loaded = gmemfs.load_safetensors(model)
        assert all(loaded[str(size)].address % 16 == 0 for size in sizes if size % 16 == 0)
        asks = {"__name__": "jax._src.dlpack"}
        exec("def dlpack(array): return array.__dlpack__(stream=None)\\n"
             "def interface(array): return hasattr(array, '__cuda_array_interface__')", asks)
        odd = [array for array in loaded.values() if array.address % 16]
        assert len(odd) == 4
        for array in odd:
            for ask in (asks["dlpack"], asks["interface"]):
                refused(BufferError, model, "16", "load_safetensors", of=(ask, array))
            assert array.__dlpack__() is not None and array.__cuda_array_interface__["shape"] == array.shape
        assert asks["dlpack"](loaded["4096"]) is not None and asks["interface"](loaded["0"])
        """)


def test_frameworks_have_the_names_that_safetensors_gives_them(mount):
    check(mount, """
        gmemfs.save_safetensors({"a": numpy.ones(2)}, model)
        for name in ("np", "tf", "Torch", "", 3, [], b"pt"):
            refused(ValueError, "torch", "cupy", "jax", of=(lambda: gmemfs.load_safetensors(model, framework=name),))
        converters = sys.modules["gmemfs.safetensors"]._CONVERTERS
        assert converters["pt"] is converters["torch"] and converters["flax"] is converters["jax"]
        """)


def test_paths_are_bytes_too_and_a_mounts_root_is_a_directory_like_others(mount):
    check(mount, """
        os.mkdir(mount + "/folder")
        os.mkdir(mount + "/folder/deeper")
        for path in (mount, mount + "/folder", mount + "/folder/deeper"):
            with open(path + "/f", "wb") as plain: plain.write(b"x" * 100)
            for same in (path, path + "/", os.fsencode(path), os.path.relpath(path)):
                mappings = gmemfs.map_directory(same)
                assert list(mappings) == ["f"] and mappings["f"].size == 100
                assert mappings["f"].path == os.path.join(os.fsdecode(same), "f")
                mappings["f"].unmap()
        os.chdir(mount)
        assert list(gmemfs.map_directory(".")) == ["f"]
        assert gmemfs.tensor(os.fsencode(mount) + b"/f", (100,), "uint8").nbytes == 100
        assert gmemfs.open(b"f").path == "f"
        """)
