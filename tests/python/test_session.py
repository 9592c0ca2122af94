"""Sessions on the simulator: one file, tensors at their offsets, counts, what is kept and what goes, errors."""
import textwrap

import pytest
from test_package import PRELUDE, ROOT, fixture_mount, run  # noqa: F401

TOOLS = """
import errno, subprocess, textwrap, time
from gmemfs import Session, TensorSpec
MiB = 1 << 20
plan = gmemfs.plan([TensorSpec("weights", (1024, 1024), "float32"), TensorSpec("first", (2, MiB), "float16", (0, 1)),
                    TensorSpec("second", (MiB,), "int32", (2, 3)), TensorSpec("small", (3,), "float64", (1, 2))])
path = mount + "/arena"
def used():
    '''Bytes, as df has it.'''
    found = os.statvfs(mount)
    return (found.f_blocks - found.f_bfree) * found.f_frsize
def memory(array):
    '''The array's own bytes, which can be written, in whatever process.'''
    address = array.address & ~(1 << 62)
    return numpy.ctypeslib.as_array((ctypes.c_uint8 * array.nbytes).from_address(address))
def failure(call, *arguments, **named):
    try: call(*arguments, **named)
    except Exception as error: return error
    raise AssertionError(f"nothing was refused: {arguments} {named}")
def refused(kind, *words, of):
    error = failure(*of)
    assert type(error) is kind and "\\n" not in str(error), repr(error)
    for word in words: assert word in str(error), (word, str(error))
    return error
def child(script):
    return subprocess.run([sys.executable, "-c", PRELUDE + textwrap.dedent(script), mount], check=False, text=True,
                          stdout=subprocess.PIPE)
def elsewhere(script):
    '''Output of another process.'''
    done = child(script)
    assert done.returncode == 0, done.stdout
    return done.stdout
def wait_for(what):
    deadline = time.monotonic() + 30
    while not what(): assert time.monotonic() < deadline, what
"""


def check(mount, script):
    prelude = f"PRELUDE = {PRELUDE + TOOLS!r}\n"
    run(mount, prelude + TOOLS + textwrap.dedent(script))


def test_what_a_tensor_writes_is_at_its_offset_in_the_file(mount):
    check(mount, """
        with Session(path, plan) as session:
            assert os.stat(path).st_size == plan.peak == 8 * MiB + 24
            for number, spec in enumerate(plan.tensors):
                memory(session.tensor(spec.name))[:] = number + 1
                with open(path, "rb") as file: data = file.read()
                offset = plan.offsets[spec.name]
                assert set(data[offset:offset + spec.nbytes]) == {number + 1}, spec
            with open(path, "r+b") as file:
                file.seek(plan.offsets["small"])
                file.write(numpy.array([1.5, 2.5, 3.5]).tobytes())
            assert host(session.tensor("small")).tolist() == [1.5, 2.5, 3.5]
        """)


def test_tensors_that_never_meet_share_bytes(mount):
    check(mount, """
        with Session(mount, plan) as session:
            first, second, weights = (session.tensor(name) for name in ("first", "second", "weights"))
            assert first.address == second.address != weights.address
            memory(first)[:] = 7
            assert (host(second) == 0x07070707).all() and not host(weights).any()
        """)


def test_a_tensor_is_what_the_protocols_take(mount):
    check(mount, """
        with Session(path, plan) as session:
            first = session.tensor("first")
            assert (first.shape, first.dtype, first.nbytes) == ((2, MiB), "float16", 4 * MiB)
            assert first.__dlpack_device__() == (2, 0) and first.address % 512 == 0
            assert first.__cuda_array_interface__["data"] == (session.mapping.address + plan.offsets["first"], False)
            assert {name: array.shape for name, array in session.tensors().items()} == {
                spec.name: spec.shape for spec in plan.tensors}
        """)


def test_numpy_has_the_tensors_of_a_session_in_host_memory(mount):
    check(mount, """
        driver, context = ctypes.CDLL(os.environ["GMEMFS_DRIVER"]), ctypes.c_void_p()
        assert driver.cuInit(0) == driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
        assert driver.cuCtxSetCurrent(context) == 0  # the simulator tells of the host's address where one is current
        os.mkdir(mount + "/host")
        os.setxattr(mount + "/host", "user.gmemfs.device", b"host")
        with Session(mount + "/host/arena", plan) as session:
            numpy.asarray(session.tensor("small"))[:] = (4, 5, 6)
            with open(mount + "/host/arena", "rb") as file:
                file.seek(plan.offsets["small"])
                assert numpy.frombuffer(file.read(24)).tolist() == [4, 5, 6]
        """)


def test_the_arena_is_one_extent_and_goes_with_the_session(mount):
    check(mount, """
        before = used()
        for where in (path, mount):
            with Session(where, plan) as session:
                assert used() - before == 10 * MiB, "one extent, of whole granules"
                assert os.listdir(mount) == (["arena"] if where == path else []) and session.path == where
                assert leases() == 1
                if where == path:
                    assert os.stat(path).st_blocks * 512 == 10 * MiB
                    assert len(json.loads(os.getxattr(path, "user.gmemfs.extents"))) == 1
            assert used() == before and os.listdir(mount) == [] and leases() == 0
            session.close()
        """)


def test_counts_are_of_what_was_given(mount):
    check(mount, """
        with Session(path, plan) as session:
            assert session.stats[:3] == (0, 0, 0) and session.stats.call_ns == 0
            for _ in range(3): session.tensor("small")
            session.tensor("weights")
            stats = session.stats
            assert (stats.tensor_count, stats.tensor_bytes) == (4, 3 * 24 + 4 * MiB)
            assert (stats.arena_bytes, stats.fragmentation) == (plan.peak, plan.fragmentation)
            assert 0 < stats.call_ns == stats.tensor_ns / 4 and stats.allocation_ns > 0
            failure(session.tensor, "none")
            assert session.stats == stats
        """)


def test_what_was_closed_is_said(mount):
    check(mount, """
        session = Session(path, plan)
        array = session.tensor("first")
        session.close()
        for call in (lambda: session.tensor("first"), lambda: array.address, array.__dlpack__,
                     lambda: array.__cuda_array_interface__):
            refused(ValueError, path, "closed", of=(call,))
        session = Session(mount, plan)
        session.close()
        assert "/proc" not in str(refused(ValueError, mount, "closed", of=(session.tensor, "first")))
        """)


def test_a_session_that_is_dropped_goes_with_its_last_tensor(mount):
    check(mount, """
        for where in (path, mount):
            view = host(Session(where, plan).tensor("small"))
            gc.collect()
            assert os.listdir(mount) == [] and leases() == 1 and used() > 0
            assert view.tolist() == [0, 0, 0]
            del view
            gc.collect()
            assert leases() == 0 and used() == 0
        """)


@pytest.mark.parametrize("ending, code, left", [("sys.exit(7)", 7, []), ("raise KeyboardInterrupt", -2, []),
                                                ("os.kill(os.getpid(), 9)", -9, ["arena"])])
def test_a_process_that_ends_leaves_no_memory_but_what_has_a_name(mount, ending, code, left):
    check(mount, f"""
        done = child('''
            named, nameless = Session(path, plan), Session(mount, plan)
            print(leases(), used() // MiB, flush=True)
            {ending}
            ''')
        assert (done.returncode, done.stdout) == ({code}, "2 20\\n"), done
        assert os.listdir(mount) == {left}
        wait_for(lambda: leases() == 0 and used() == {len(left)} * 10 * MiB)
        """)


def test_another_process_finds_the_tensors_of_a_kept_session(mount):
    check(mount, """
        with Session(path, plan, keep=True) as session:
            memory(session.tensor("weights"))[:] = 3
            memory(session.tensor("small")).view("f8")[:] = (1, 2, 3)
        assert leases() == 0 and os.listdir(mount) == ["arena"]
        assert json.loads(os.getxattr(path, "user.session.plan"))["peak"] == plan.peak
        assert elsewhere('''
            with Session.open(path, plan) as session:
                assert session.plan == plan and session.stats.arena_bytes == plan.peak
                assert (memory(session.tensor("weights")) == 3).all()
                print(host(session.tensor("small")).tolist())
                memory(session.tensor("small")).view("f8")[:] = (4, 5, 6)
            ''') == "[1.0, 2.0, 3.0]\\n"
        with Session.open(os.fsencode(path), read_only=True) as session:
            assert host(session.tensor("small")).tolist() == [4, 5, 6]
            assert session.tensor("small").__cuda_array_interface__["data"][1] is True
        assert os.listdir(mount) == ["arena"]
        """)


def test_two_processes_share_the_tensors_of_a_session_that_lives(mount):
    check(mount, """
        with Session(path, plan) as session:
            elsewhere('''
                with Session.open(path) as session: memory(session.tensor("weights"))[:] = 9
                ''')
            assert (memory(session.tensor("weights")) == 9).all() and os.path.exists(path)
        """)


def test_a_kept_session_is_as_good_after_a_copy_and_a_new_name(mount):
    check(mount, """
        with Session(path, plan, keep=True) as session: memory(session.tensor("small"))[:] = 5
        os.rename(path, path + ".new")
        subprocess.run(["cp", "--preserve=xattr", path + ".new", path + ".copy"], check=True)
        for name in (".new", ".copy"):
            with Session.open(path + name, plan) as session: assert set(memory(session.tensor("small"))) == {5}
        """)


@pytest.mark.parametrize("way", ["nameless", "named"])
def test_nothing_takes_the_place_of_another_file(mount, way):
    check(mount, f"""
        from gmemfs import new_file
        if "{way}" == "named": new_file._NAMELESS = os.O_DIRECTORY  # EISDIR, as kernels before 3.11 say
        with Session(mount, plan): assert os.listdir(mount) == []
        with open(path, "wb") as file: file.write(b"mine")
        refused(FileExistsError, path, "Session.open", "remove it first", of=(Session, path, plan))
        look = os.path.lexists
        os.path.lexists = lambda name: False  # as for another process that makes it after we have looked
        refused(FileExistsError, path, "Session.open", of=(Session, path, plan))
        os.path.lexists = look
        assert open(path, "rb").read() == b"mine" and os.listdir(mount) == ["arena"]
        gc.collect()
        assert used() <= 2 * MiB and leases() == 0
        os.unlink(path)
        session = Session(path, plan)
        os.unlink(path)
        with open(path, "wb") as file: file.write(b"mine")
        session.close()
        assert open(path, "rb").read() == b"mine", "it isn't the session's any more"
        """)


def test_a_device_that_is_too_small_says_what_the_plan_needs(mount):
    check(mount, """
        large = gmemfs.plan([TensorSpec("a", (300, MiB), "uint8")])
        for where in (path, mount):
            error = refused(OSError, "the plan needs 314572800 bytes", "268435456 are free", where,
                            of=(Session, where, large))
            assert error.errno == errno.ENOSPC and error.filename == where and "/proc" not in str(error)
        assert os.listdir(mount) == [] and used() == 0 and leases() == 0
        """)


def test_a_plan_that_is_not_the_files_own_is_refused(mount):
    check(mount, """
        other = gmemfs.plan([TensorSpec("a", (5,), "int8")])
        with Session(path, plan, keep=True): pass
        refused(ValueError, path, "made by another plan", of=(Session.open, path, other))
        os.truncate(path, MiB)
        refused(ValueError, path, "plan is of another file", str(plan.peak), str(MiB), of=(Session.open, path))
        gmemfs.open(mount + "/plain", MiB).close()
        refused(ValueError, mount + "/plain", "no session made it", of=(Session.open, mount + "/plain"))
        for spoilt in (b"", b"{", b"{}", b"x", b"\\xff" * 70, b"{\\xff", plan.to_json().encode()[:-1]):
            os.setxattr(mount + "/plain", "user.session.plan", spoilt)
            refused(ValueError, mount + "/plain", "user.session.plan", of=(Session.open, mount + "/plain"))
        refused(FileNotFoundError, mount + "/none", of=(Session.open, mount + "/none"))
        assert leases() == 0
        """)


def test_a_table_that_is_long_is_packed_and_one_that_is_too_long_refused(mount):
    check(mount, """
        import random, zlib
        random_ = random.Random(1)
        def table(count):
            return gmemfs.plan([TensorSpec(f"layer{index}.{random_.getrandbits(64):x}", (index % 7 + 1,), "int8",
                                           (index, index + 1)) for index in range(count)])
        long = table(1500)
        assert len(long.to_json()) > 65536
        with Session(path, long, keep=True): pass
        assert os.getxattr(path, "user.session.plan") == zlib.compress(long.to_json().encode(), 9)
        with Session.open(path, long) as session: assert session.tensor(long.tensors[1400].name).nbytes == 1
        bomb = zlib.compress(b" " * (48 << 20) + plan.to_json().encode(), 9)
        os.setxattr(path, "user.session.plan", bomb)
        refused(ValueError, path, "user.session.plan", of=(Session.open, path))
        longest = table(4000)
        refused(ValueError, path + "2", "4000 tensors", "65536", of=(Session, path + "2", longest))
        with Session(mount, longest) as session: session.tensor(longest.tensors[3999].name)
        """)


def test_wrong_arguments_are_refused(mount):
    check(mount, """
        refused(TypeError, "gmemfs.plan", of=(Session, path, [TensorSpec("a", (5,), "int8")]))
        refused(ValueError, mount, "the name of a file", of=(lambda: Session(mount, plan, keep=True),))
        refused(FileNotFoundError, of=(Session, mount + "/none/arena", plan))
        os.mkdir(mount + ".elsewhere")
        for name in ("", "/arena"):
            error = refused(OSError, "no gmemfs mount", of=(Session, mount + ".elsewhere" + name, plan))
            assert error.errno == errno.ENOTTY
        assert os.listdir(mount + ".elsewhere") == []
        with Session(path, plan) as session:
            refused(KeyError, "no tensor 'none'", of=(session.tensor, "none"))
        """)


def test_a_forked_child_takes_nothing_from_its_parent(mount):
    check(mount, """
        session = Session(path, plan)
        for ending in (session.close, lambda: sys.exit(0)):
            pid = os.fork()
            if pid == 0:
                assert type(failure(session.tensor, "small")) is ChildProcessError
                ending()
                sys.exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            assert os.listdir(mount) == ["arena"] and leases() == 1
            session.tensor("small")
        session.close()
        assert os.listdir(mount) == []
        """)


def test_threads_are_counted_all(mount):
    check(mount, """
        import threading
        with Session(path, plan) as session:
            def give():
                for _ in range(200): session.tensor("small")
            threads = [threading.Thread(target=give) for _ in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            assert session.stats[:2] == (800, 800 * 24)
        """)


def test_the_page_about_sessions_says_what_happens(mount):
    """Its examples, with this mount's path in them."""
    check(mount, f"""
        import doctest, pathlib
        text = pathlib.Path({str(ROOT / "docs/session.md")!r}).read_text().replace("/mnt/gpu", mount)
        test = doctest.DocTestParser().get_doctest(text, {{}}, "session.md", None, 0)
        runner = doctest.DocTestRunner()
        found = []
        runner.run(test, out=found.append)
        assert runner.failures == 0 and runner.tries >= 6, "".join(found)
        assert os.listdir(mount) == ["run"]
        """)
