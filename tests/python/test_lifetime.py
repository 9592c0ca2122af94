"""Lifetimes in the Python package, on the simulator: forks, threads, signals, unmapping, capsules, odd arguments."""
import os
import subprocess
import textwrap

import pytest
from test_package import BUILD, PEER, PRELUDE, SIMULATED, fixture_mount, run  # noqa: F401

TOOLS = """
import gc, resource, signal, subprocess, threading, time
driver = ctypes.CDLL(os.environ["GMEMFS_DRIVER"])
ILLEGAL_ADDRESS = 700
def call(name, *arguments):
    result = getattr(driver, name)(*arguments)
    assert result == 0, (name, result)
def retain(ordinal=0):
    found = ctypes.c_void_p()
    call("cuInit", 0)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(found), ordinal)
    call("cuCtxSetCurrent", found)
    return found
def create_context(ordinal=0):
    found = ctypes.c_void_p()
    call("cuCtxCreate_v2", ctypes.byref(found), 0, ordinal)
    return found
class Work:
    '''What a non-blocking stream of the current context still has to do: so much that some hasn't begun when the next
    call comes, on a slow machine, too. What is under way keeps its memory on the simulator.'''
    def __init__(self, mapping, size=64 << 20):
        self.stream = ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(self.stream), 1)
        for value in range(40):
            call("cuMemsetD8Async", ctypes.c_uint64(mapping.address), value, ctypes.c_size_t(size), self.stream)
    def check(self):
        assert driver.cuStreamSynchronize(self.stream) == 0, "the memory went while it was written"
def failure(call, *arguments, **named):
    try: call(*arguments, **named)
    except Exception as error: return error
    raise AssertionError(f"nothing was refused: {arguments} {named}")
def child(call):
    '''Status of a forked process that ends as Python ends.'''
    pid = os.fork()
    if pid == 0:
        call()
        sys.exit(0)
    return os.waitpid(pid, 0)[1]
"""


def check(mount, script, environment=None):
    run(mount, TOOLS + textwrap.dedent(script), environment)


# ---- forks ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("ending", ["lambda: None", "lambda: sys.exit(0)", "lambda: globals().pop('held')",
                                    "lambda: (globals().pop('held'), gc.collect())", "lambda: held.unmap()",
                                    "lambda: globals().pop('array')", "lambda: os._exit(0)"])
def test_what_a_forked_child_does_ends_no_lease(mount, ending):
    check(mount, f"""
        file = gmemfs.open(mount + "/f", 4 << 20)
        held = file.map(exclusive=True)
        array = host(held.array((10,), "uint8"))
        assert child({ending}) == 0
        assert leases() == 1
        assert failure(gmemfs.open(mount + "/f").map).errno == 16, "it is still this process's alone"
        held.array((4,), "uint8")
        held.unmap()
        assert leases() == 0
        """)


def test_a_pool_of_forked_processes_leaves_leases_alone(mount):
    check(mount, """
        import multiprocessing
        held = gmemfs.open(mount + "/f", 4 << 20).map(exclusive=True)
        def forget():
            global held
            held = None
            gc.collect()
        with multiprocessing.get_context("fork").Pool(2, forget) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
        assert leases() == 1
        """)


def test_a_forked_child_is_told_to_start_anew(mount):
    check(mount, """
        file = gmemfs.open(mount + "/f", 4 << 20)
        held = file.map()
        def tries():
            for attempt in (lambda: gmemfs.open(mount + "/f"), file.map, lambda: file.size, file.seal, held.__dlpack__,
                            lambda: gmemfs.map_directory(mount)):
                error = failure(attempt)
                assert isinstance(error, ChildProcessError) and "anew" in str(error), repr(error)
            file.close()
        assert child(tries) == 0
        assert file.size == 4 << 20
        """)


def test_a_child_that_is_first_to_use_the_library_may(mount):
    check(mount, """
        def uses():
            gmemfs.open(mount + "/f", 4 << 20).map()
        assert child(uses) == 0
        assert os.path.getsize(mount + "/f") == 4 << 20
        """)


# ---- unmapping -----------------------------------------------------------------------------------------------------

def test_the_last_reference_waits_in_a_thread_without_a_context(mount):
    check(mount, """
        retain()
        mapping = gmemfs.open(mount + "/f", 64 << 20).map()
        work = Work(mapping)
        box = [mapping]
        del mapping
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join()
        work.check()
        assert leases() == 0
        """)


@pytest.mark.parametrize("current", ["retain(1)", "create_context()", "create_context(1)",
                                     "call('cuCtxSetCurrent', None)"])
def test_the_last_reference_waits_whatever_context_is_current(tmp_path, current):
    with two_devices(tmp_path) as (mount, environment):
        check(mount, f"""
            primary = retain()
            mapping = gmemfs.open(mount + "/f", 64 << 20).map()
            work = Work(mapping)
            {current}
            del mapping
            call("cuCtxSetCurrent", primary)
            work.check()
            """, environment)


def test_a_context_of_ones_own_is_waited_for_where_it_is_current(mount):
    check(mount, """
        primary = retain()
        mapping = gmemfs.open(mount + "/f", 64 << 20).map()
        own = create_context()
        work = Work(mapping)
        mapping.unmap()
        work.check()
        """)


def test_a_full_device_is_waited_for(mount):
    check(mount, """
        retain()
        mapping = gmemfs.open(mount + "/f", 64 << 20).map()
        driver.gmemfs_sim_set_faults(b"cuMemAlloc#1+=OUT_OF_MEMORY")
        work = Work(mapping)
        mapping.unmap()
        work.check()
        """)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_unmapping_leaves_another_threads_capture_whole(mount, mode):
    check(mount, f"""
        context = retain()
        mapping = gmemfs.open(mount + "/f", 4 << 20).map()
        stream, graph = ctypes.c_void_p(), ctypes.c_void_p()
        call("cuStreamCreate", ctypes.byref(stream), 1)
        call("cuStreamBeginCapture_v2", stream, {mode})
        def ends():
            call("cuCtxSetCurrent", context)
            other = gmemfs.open(mount + "/f").map()
            other.unmap()
        thread = threading.Thread(target=ends)
        thread.start()
        thread.join()
        del mapping
        assert leases() == 0
        call("cuStreamEndCapture", stream, ctypes.byref(graph))
        """)


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_waiting_leaves_captures_whole(mount, mode):
    check(mount, f"""
        from gmemfs import _abi
        context = retain()
        work = Work(gmemfs.open(mount + "/f", 64 << 20).map())
        streams, graph = [ctypes.c_void_p(), ctypes.c_void_p()], ctypes.c_void_p()
        for stream in streams:
            call("cuStreamCreate", ctypes.byref(stream), 1)
            call("cuStreamBeginCapture_v2", stream, {mode})
        thread = threading.Thread(target=_abi.wait)
        thread.start()
        thread.join()
        assert driver.cuStreamQuery(work.stream) == 0, "it was waited for"
        _abi.wait([0])
        for stream in streams: call("cuStreamEndCapture", stream, ctypes.byref(graph))
        """)


def test_a_lost_context_is_told_and_the_memory_goes(mount):
    check(mount, """
        retain()
        mapping = gmemfs.open(mount + "/f", 4 << 20).map()
        driver.gmemfs_sim_set_faults(b"cuStreamSynchronize#1=ILLEGAL_ADDRESS")
        assert driver.cuStreamSynchronize(None) == ILLEGAL_ADDRESS
        error = failure(mapping.unmap)
        assert isinstance(error, OSError) and "unmapped" in str(error), repr(error)
        assert leases() == 0 and driver.gmemfs_sim_live_count(b"mappings") == 0
        mapping.unmap()
        other = gmemfs.open(mount + "/f").map()
        del other
        assert leases() == 0
        """)


def test_a_destroyed_context_hinders_nothing(mount):
    check(mount, """
        own = create_context() if not driver.cuInit(0) else None
        mapping = gmemfs.open(mount + "/f", 4 << 20).map()
        call("cuCtxDestroy_v2", own)
        mapping.unmap()
        assert leases() == 0
        """)


@pytest.mark.parametrize("ending", ["held.pop().unmap()", "held.clear()", "gmemfs.tensor(mount + '/f', (1,), 'uint8')"])
def test_an_exception_of_a_signal_comes_through_and_leaves_no_lease(mount, ending):
    check(mount, f"""
        class Late(Exception): pass
        def late(*_): raise Late
        signal.signal(signal.SIGALRM, late)
        retain()
        held = [gmemfs.open(mount + "/f", 4 << 20).map()]
        driver.gmemfs_sim_set_faults(b"cuMemFree~600ms;cuMemMap~600ms;cuCtxSynchronize~600ms")
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            {ending}
            raise AssertionError("the exception is lost")
        except Late: pass
        held.clear()
        gc.collect()
        assert leases() == 0
        """)


# ---- DLPack --------------------------------------------------------------------------------------------------------

def test_a_consumers_refusal_comes_through_and_leaves_nothing_mapped(mount):
    check(mount, """
        for _ in range(5):
            array = gmemfs.tensor(mount + "/f", (16,), "float32", create=True)
            assert isinstance(failure(lambda: print(array.__dlpack__(), 1 / 0)), ZeroDivisionError)
            error = failure(numpy.from_dlpack, array)
            assert not isinstance(error, SystemError) and "nsupported" in str(error), repr(error)
            del error, array
        gc.collect()
        assert leases() == 0
        """)


def test_a_tensor_may_outlive_the_interpreter_and_its_thread(mount):
    check(mount, """
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        rename = ctypes.pythonapi.PyCapsule_SetName
        rename.argtypes = [ctypes.py_object, ctypes.c_char_p]
        used = ctypes.create_string_buffer(b"used_dltensor")
        def take(array):
            '''The tensor's address, and its deleter's: 64 bytes of DLTensor and the manager before it in the struct.'''
            capsule = array.__dlpack__()
            managed = pointer(capsule, b"dltensor")
            rename(capsule, ctypes.cast(used, ctypes.c_char_p))
            return managed, ctypes.c_void_p.from_address(managed + 48 + 8).value
        array = gmemfs.tensor(mount + "/f", (16,), "float32", create=True)
        managed, deleter = take(array)
        del array
        assert leases() == 1
        thread = threading.Thread(target=lambda: ctypes.CFUNCTYPE(None, ctypes.c_void_p)(deleter)(managed))
        thread.start()
        thread.join()
        assert leases() == 0
        managed, deleter = take(gmemfs.tensor(mount + "/f", (16,), "float32"))
        # After the interpreter has ended, as a static object of a C++ extension would. (Of nobody's library, which NULL
        # says, ThreadSanitizer's own __cxa_atexit loses the argument.)
        ctypes.CDLL(None).__cxa_atexit(ctypes.c_void_p(deleter), ctypes.c_void_p(managed), used)
        """)


def test_an_array_of_what_is_unmapped_is_an_error(mount):
    check(mount, """
        with gmemfs.open(mount + "/f", 4 << 20).map() as mapping:
            array = mapping.array((16,), "uint8")
        for attempt in (array.__dlpack__, lambda: array.address, lambda: array.__cuda_array_interface__,
                        lambda: array.view((4,), "float32"), lambda: mapping.array((1,), "uint8"), mapping.__dlpack__,
                        lambda: mapping.__cuda_array_interface__, lambda: mapping.dma_buf(0, 4096)):
            assert isinstance(failure(attempt), ValueError), failure(attempt)
        """)


def test_the_programs_end_is_silent(mount):
    run(mount, """
        kept = host(gmemfs.tensor(mount + "/f", (16,), "float32", create=True))
        numpy.kept = kept  # goes when this module's names are gone
        class Late:
            def __init__(self): self.mapping = gmemfs.open(mount + "/f").map()
            def __del__(self): self.mapping.unmap()
        numpy.late = Late()
        """)


# ---- descriptors, devices ------------------------------------------------------------------------------------------

def test_six_hundred_mappings_take_a_few_descriptors(mount):
    check(mount, """
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        gmemfs.open(mount + "/0", 4096).map()
        before = len(os.listdir("/proc/self/fd"))
        held = []
        for index in range(100):
            held += [gmemfs.tensor(f"{mount}/{index}", (16,), "float32", create=True) for _ in range(6)]
        assert leases() == 600
        assert len(os.listdir("/proc/self/fd")) <= before + 2
        assert json.loads(os.getxattr(mount, "user.gmemfs.stats"))["peers"] == 1
        held += gmemfs.map_directory(mount).values()
        assert leases() == 700 and json.loads(os.getxattr(mount, "user.gmemfs.stats"))["peers"] == 1
        held.clear()
        assert leases() == 0
        assert len(os.listdir("/proc/self/fd")) <= before
        """)


def test_a_thousand_mappings_share_a_connection(mount):
    check(mount, """
        file = gmemfs.open(mount + "/f", 4096)
        held = [file.map() for _ in range(1100)]
        assert leases() == 1100 and json.loads(os.getxattr(mount, "user.gmemfs.stats"))["peers"] == 1
        held.clear()
        assert leases() == 0
        """)


class two_devices:
    """A mount on the first device of a machine that has two, and the environment of its peers."""

    def __init__(self, tmp_path, **more):
        self.mount = tmp_path / "two"
        self.mount.mkdir()
        self.own = {"GMEMFS_SIM_MACHINE": f"two{os.getpid()}{tmp_path.name}", **more}

    def __enter__(self):
        environment = {**SIMULATED, **self.own, "GMEMFS_SIM_DEVICES": "2x512M"}
        subprocess.run([BUILD / "gmemfs", "mount", self.mount, "--simulate"], env=environment, check=True, timeout=30)
        return self.mount, {**PEER, **self.own}

    def __exit__(self, *_):
        subprocess.run([BUILD / "gmemfs", "umount", self.mount], check=True, timeout=30)


COPIES = """
def copies(mapping, ordinal):
    '''Whether that device copies to and from the mapping.'''
    retain(ordinal)
    own = ctypes.c_uint64()
    call("cuMemAlloc_v2", ctypes.byref(own), ctypes.c_size_t(4096))
    done = [driver.cuMemcpyDtoD_v2(*pair, ctypes.c_size_t(4096)) for pair in (
        (own, ctypes.c_uint64(mapping.address)), (ctypes.c_uint64(mapping.address), own))]
    return [result == 0 for result in done]
"""


def test_every_device_that_can_reaches_a_mapping(tmp_path):
    with two_devices(tmp_path) as (mount, environment):
        check(mount, COPIES + """
file = gmemfs.open(mount + "/f", 4 << 20)
assert copies(file.map(), 0) == copies(file.map(), 1) == [True, True]
assert copies(file.map(devices=[1]), 1) == [True, True]
own = file.map(devices=[])
assert copies(own, 0) == [True, True] and copies(own, 1) == [False, False]
assert copies(file.map(read_only=True), 1) == [True, False]
assert failure(file.map, devices=[2]).errno == 19
assert isinstance(failure(file.map, devices=[-1]), ValueError)
assert copies(gmemfs.map_directory(mount)["f"], 1) == [True, True]
assert copies(gmemfs.map_directory(mount, devices=())["f"], 1) == [False, False]
""", environment)


def test_devices_that_cannot_reach_each_other_map_all_the_same(tmp_path):
    with two_devices(tmp_path, GMEMFS_SIM_PEERS="0") as (mount, environment):
        check(mount, COPIES + """
file = gmemfs.open(mount + "/f", 4 << 20)
mapping = file.map()
assert copies(mapping, 0) == [True, True] and copies(mapping, 1) == [False, False]
assert failure(file.map, devices=[1]).errno == 95
""", environment)


# ---- paths and arguments -------------------------------------------------------------------------------------------

def test_nothing_is_made_or_cut_outside_a_mount(mount, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"x" * 100)
    (mount / "link").symlink_to(outside / "new")
    (outside / "inward").symlink_to(mount / "made")
    check(mount, f"""
        outside = {str(outside)!r}
        for name in (outside + "/new", outside + "/precious", mount + "/link", "new"):
            os.chdir(outside)
            error = failure(gmemfs.open, name, 1 << 20)
            assert error.errno == 25, repr(error)
            assert failure(gmemfs.tensor, name, (4,), "float32", create=True).errno == 25
            if name != mount + "/link":  # which a save replaces
                assert failure(gmemfs.save_safetensors, {{"a": numpy.zeros(4)}}, name).errno == 25
        assert sorted(os.listdir(outside)) == ["inward", "precious"], os.listdir(outside)
        assert os.path.getsize(outside + "/precious") == 100
        gmemfs.open(outside + "/inward", 1 << 20)
        assert os.path.getsize(mount + "/made") == 1 << 20, "a link to nothing in the mount is followed"
        """)
    check(mount, """
        assert isinstance(failure(gmemfs.open, mount + "/f", 64 << 20, driver="/no/driver"), FileNotFoundError)
        assert not os.path.exists(mount + "/f")
        """)


def test_odd_arguments_are_errors(mount):
    check(mount, """
        file = gmemfs.open(mount + "/f", 4 << 20)
        mapping = file.map()
        for attempt in (
                lambda: gmemfs.open(mount + "/g", 1 << 64), lambda: gmemfs.open(mount + "/g", -1),
                lambda: gmemfs.open(mount + "/g", 1 << 63), lambda: file.resize(1 << 64), lambda: file.resize(-1),
                lambda: gmemfs.open(mount + "/g\\0evil", 4096), lambda: gmemfs.open(b"g\\0evil", 4096),
                lambda: gmemfs.map_directory(mount + "\\0"), lambda: gmemfs.open(mount + "/f", driver="a\\0b"),
                lambda: file.map(handles="carrier pigeon"), lambda: file.map(address=1 << 64),
                lambda: file.map(address=-1), lambda: mapping.dma_buf(-1, 4096), lambda: mapping.dma_buf(0, 1 << 64),
                lambda: gmemfs.open(mount + "/g", 4096, mode=1 << 40)):
            error = failure(attempt)
            assert type(error) is ValueError, repr(error)
        assert sorted(os.listdir(mount)) == ["f"]
        assert type(failure(gmemfs.open, mount + "/g", 1.5)) is TypeError
        name = os.fsencode(mount)
        assert gmemfs.open(name + b"/f").path == mount + "/f"
        assert sorted(gmemfs.map_directory(name)) == ["f"]
        """)


def test_a_file_whose_folder_is_removed_is_still_mapped(mount):
    check(mount, """
        os.makedirs(mount + "/a/b")
        file = gmemfs.open(mount + "/a/b/f", 4 << 20)
        os.unlink(mount + "/a/b/f")
        os.rmdir(mount + "/a/b")
        os.rmdir(mount + "/a")
        assert file.map().size == 4 << 20
        """)


def test_closing_and_mapping_in_two_threads(mount):
    check(mount, """
        def attempt(call):
            try: call()
            except ValueError as error: assert "closed" in str(error)
        for _ in range(300):
            file = gmemfs.open(mount + "/f", 4096)
            mapping = file.map()
            array = mapping.array((4,), "uint8")
            calls = [file.map, file.close, file.map, mapping.unmap, mapping.unmap, array.__dlpack__, file.seal]
            threads = [threading.Thread(target=attempt, args=[one]) for one in calls]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
        del mapping, array
        gc.collect()
        assert leases() == 0
        """)


# ---- servers -------------------------------------------------------------------------------------------------------

def test_a_mapping_ends_without_an_error_when_its_server_was_replaced(mount):
    check(mount, f"""
        old = gmemfs.open(mount + "/f", 4 << 20).map()
        kept = gmemfs.open(mount + "/f").map()
        subprocess.run([{str(BUILD / "gmemfs")!r}, "restart", mount], check=True)
        old.unmap()
        for _ in range(100):
            try: new = gmemfs.open(mount + "/f").map()
            except OSError: time.sleep(0.05)  # the mount answers before the broker does
            else: break
        assert bytes(host(new.array((4,), "uint8"))) == bytes(4)
        kept.unmap()
        new.unmap()
        assert leases() == 0
        """)
