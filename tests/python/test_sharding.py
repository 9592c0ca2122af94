"""Sharding on the simulator: each rank's part of a model, in a file on its own device, read once."""
import subprocess
import textwrap

import pytest
from test_package import BUILD, PEER, SIMULATED
from test_safetensors import check as check_on

DEVICES = {"GMEMFS_SIM_DEVICES": "128M,128M"}
MODEL = """
source = os.environ["SOURCE"]
driver.cuInit(0)
uuids = [device["uuid"] for device in json.loads(os.getxattr(mount, "user.gmemfs.stats"))["devices"]]
into = mount + "/model"
os.makedirs(into, exist_ok=True)
def values(shape, dtype="f2", seed=0):
    count = int(numpy.prod(shape))
    return ((numpy.arange(count, dtype="i8") * 2654435761 + seed) % 251).astype(dtype).reshape(shape)
tensors = {"layer.0.q_proj.weight": values((64, 6000), seed=1), "layer.0.o_proj.weight": values((300, 6000), seed=2),
           "layer.0.q_proj.bias": values((64,), "f4", 3), "norm.weight": values((6000,), "f4", 4),
           "experts": values((3, 8, 5, 4), "i4", 5), "wide": values((5, 3 << 20), "u1", 6), "empty": values((0, 4)),
           "one": values((), "f8"), "rows": values((40, 40000), "u1", 7)}
plan = {"*.q_proj.*": 0, "*.o_proj.weight": 1, "experts": -3, "wide": 1, "empty": 0, "rows": 1, "*": None, "norm*": 0}
split = {"layer.0.q_proj.weight": 0, "layer.0.q_proj.bias": 0, "layer.0.o_proj.weight": 1, "experts": 1, "wide": 1,
         "empty": 0, "rows": 1}
def wanted(name, rank, world):
    return numpy.split(tensors[name], world, split[name])[rank] if name in split else tensors[name]
def save(path=source, **more):
    start = {}
    end = 0
    for name, array in {**tensors, **more}.items():
        kind = {"f2": "F16", "f4": "F32", "i4": "I32", "u1": "U8", "f8": "F64"}[array.dtype.str[1:]]
        start[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    write(path, json.dumps({"__metadata__": {"format": "pt"}, **start}),
          b"".join(array.tobytes() for array in {**tensors, **more}.values()))
def bytes_read():
    with open("/proc/self/io") as told: return int(told.read().split()[1])
"""


@pytest.fixture(name="mount")
def fixture_mount(tmp_path):
    path = tmp_path / "mount"
    path.mkdir()
    subprocess.run([BUILD / "gmemfs", "mount", path, "--simulate", "--device", "all", "--ecc=on"],
                   env={**SIMULATED, **DEVICES}, check=True, timeout=30)
    yield path
    subprocess.run([BUILD / "gmemfs", "umount", path], check=True, timeout=30)


def check(mount, script):
    check_on(mount, MODEL + "\n" + textwrap.dedent(script), SOURCE=str(mount.parent / "model.safetensors"),
             **DEVICES)


def test_each_rank_has_its_slices_on_its_own_device(mount):
    check(mount, """
        save()
        for world in (1, 2, 4):
            for rank in range(world):
                shard = gmemfs.Shard(rank, world, into, plan)
                loaded = gmemfs.load_safetensors(source, shard=shard, read_only=True)
                assert loaded.keys() == tensors.keys()
                for name, array in loaded.items():
                    part = wanted(name, rank, world)
                    assert array.shape == part.shape, (name, array.shape)
                    assert not part.size or (host(array) == part.view(host(array).dtype)).all(), (name, rank, world)
                path = f"{into}/model.rank-{rank}-of-{world}.safetensors"
                assert shard.path_of(source) == path
                assert os.getxattr(path, "user.gmemfs.device").decode() == uuids[rank % 2]
                assert {extent["device"] for extent in json.loads(os.getxattr(path, "user.gmemfs.extents"))} == {
                    uuids[rank % 2]}
                assert os.getxattr(path, "user.gmemfs.ecc") == b"current"
                assert parts(path)[0]["__metadata__"] == {"format": "pt"}
                del loaded, array
        """)


def test_a_second_process_reads_nothing_of_the_source(mount):
    check(mount, """
        save()
        def load(): return gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, plan, device=1))
        path = gmemfs.Shard(1, 2, into).path_of(source)
        before = bytes_read()
        load()
        own = sum(wanted(name, 1, 2).nbytes for name in tensors)
        short = tensors["layer.0.o_proj.weight"].nbytes  # of rows of 6,000 bytes, which come whole
        assert own < bytes_read() - before < own + short + 200_000, (own, bytes_read() - before)
        made = os.stat(path).st_ino
        """)
    check(mount, """
        path = gmemfs.Shard(1, 2, into).path_of(source)
        made = os.stat(path).st_ino
        with open(source, "r+b") as spoilt:  # who reads it would see this
            status = os.stat(source)
            spoilt.write(bytes(100))
        os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
        loaded = gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, plan, device=1))
        assert (host(loaded["wide"]) == wanted("wide", 1, 2)).all() and os.stat(path).st_ino == made
        held = loaded["wide"]
        # Another plan, another device, another source: it is made anew, and who has it mapped keeps what it has.
        save()
        again = gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, {"wide": 1}, device=1))
        assert os.stat(path).st_ino != made and again["norm.weight"].shape == (6000,)
        assert again["experts"].shape == (3, 8, 5, 4)
        assert (host(held) == wanted("wide", 1, 2)).all()
        made = os.stat(path).st_ino
        gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, {"wide": 1}, device=0))
        assert os.stat(path).st_ino != made and os.getxattr(path, "user.gmemfs.device").decode() == uuids[0]
        tensors["wide"] = tensors["wide"][::-1].copy()
        save()
        loaded = gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, {"wide": 1}, device=0))
        assert (host(loaded["wide"]) == wanted("wide", 1, 2)).all()
        """)


def test_two_processes_of_a_rank_make_its_file_once(mount):
    check(mount, """
        save()
        script = ("import sys, gmemfs; read = lambda: int(open('/proc/self/io').read().split()[1]); before = read(); "
                  "gmemfs.load_safetensors(sys.argv[1], shard=gmemfs.Shard(0, 2, sys.argv[2], {'wide': 1})); "
                  "print(read() - before)")
        started = [subprocess.Popen([sys.executable, "-c", script, source, into], stdout=subprocess.PIPE)
                   for _ in range(3)]
        read = sorted(int(process.communicate()[0]) for process in started)
        assert read[0] <= read[1] < 1_000_000 < 5_000_000 < read[2], read
        assert all(process.returncode == 0 for process in started)
        assert sorted(os.listdir(into)) == [".gmemfs-shard.lock", "model.rank-0-of-2.safetensors"]
        """)


def test_what_cannot_be_shared_is_said_and_leaves_nothing(mount):
    check(mount, """
        save()
        def refuse(kind, *words, shard, of=source):
            refused(kind, *words, of=(lambda: gmemfs.load_safetensors(of, shard=shard),))
        refuse(ValueError, source, "layer.0.q_proj.weight", "5 ranks", "dimension 0 of [64, 6000]",
               shard=gmemfs.Shard(0, 5, into, plan))
        refuse(ValueError, "norm.weight", "dimension 1", "[6000]", shard=gmemfs.Shard(0, 2, into, {"norm*": 1}))
        refuse(ValueError, "one", "dimension -1", "[]", shard=gmemfs.Shard(0, 2, into, {"one": -1}))
        refuse(ValueError, "no device 7", "sees 2", shard=gmemfs.Shard(0, 2, into, plan, device=7))
        refused(ValueError, "rank 2 of 2", of=(gmemfs.Shard, 2, 2, into))
        refused(ValueError, "rank -1", of=(gmemfs.Shard, -1, 2, into))
        refused(TypeError, "patterns", of=(gmemfs.Shard, 0, 2, into, {1: 0}))
        refused(ValueError, "framework", of=(
            lambda: gmemfs.load_safetensors(source, framework="odd", shard=gmemfs.Shard(0, 2, into)),))
        write(source, '{"a":{"dtype":"F4","shape":[2,6],"data_offsets":[0,6]}}', bytes(range(6)))
        refuse(ValueError, "a", "whole bytes of F4", shard=gmemfs.Shard(0, 2, into, {"a": 1}))
        assert failure(gmemfs.load_safetensors, source + ".none", shard=gmemfs.Shard(0, 2, into)).errno == 2
        elsewhere = failure(gmemfs.load_safetensors, source, shard=gmemfs.Shard(0, 2, os.path.dirname(source)))
        assert "no gmemfs mount" in str(elsewhere), elsewhere
        with open(source, "r+b") as file: file.truncate(40)
        refuse(ValueError, source, shard=gmemfs.Shard(0, 2, into))
        assert os.listdir(into) == [".gmemfs-shard.lock"]
        write(source, '{"a":{"dtype":"F4","shape":[4,2],"data_offsets":[0,4]}}', bytes(range(4)))
        loaded = gmemfs.load_safetensors(source, shard=gmemfs.Shard(1, 2, into, {"a": 0}))
        assert host(loaded["a"]).tolist() == [[2], [3]]
        """)


def test_a_failing_driver_leaves_nothing_and_the_next_time_it_is_made(mount):
    check(mount, """
        save()
        plan_faults = driver.gmemfs_sim_set_faults
        shard = gmemfs.Shard(0, 2, into, plan)
        for fault in ("cuMemcpyHtoDAsync#2=INVALID_VALUE", "cuMemHostAlloc#1=OUT_OF_MEMORY",
                      "cuStreamSynchronize#3=INVALID_VALUE"):
            assert plan_faults(fault.encode()) == 0
            assert failure(gmemfs.load_safetensors, source, shard=shard).errno == 5, fault
            assert plan_faults(b"") == 0
            assert os.listdir(into) == [".gmemfs-shard.lock"]
        loaded = gmemfs.load_safetensors(source, shard=shard)
        assert (host(loaded["rows"]) == wanted("rows", 0, 2)).all()
        """)
