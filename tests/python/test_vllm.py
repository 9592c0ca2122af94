"""vLLM's sleep mode over the simulator: weights sleep in host memory of the mount, and come back to their addresses.

vLLM is too large for a test: what of it a backend meets stands below, as vLLM 0.33.0 has it. Where a vLLM lies in the
Python path, the names and parameters of its own source are compared with that. Its allocator's memory is the
simulator's: mapped and unmapped at addresses that stay.
"""
import ast
import importlib.util
import pathlib

import pytest
from test_package import fixture_mount  # noqa: F401
from test_package import PEER, run

VLLM = """
import abc, ctypes, dataclasses, types

class SleepModeBackend(abc.ABC):
    def __init__(self): self._state = "RUNNING"
    @abc.abstractmethod
    def suspend(self, level=1): ...
    @abc.abstractmethod
    def resume(self, tags=None): ...
    def state(self): return self._state
    def discard(self, tags): raise RuntimeError("no discard")
    @classmethod
    def is_supported(cls): return True
    @classmethod
    def preserves_communicators(cls): return False

class SleepModeBackendFactory:
    registry = {}
    @classmethod
    def register_backend(cls, name, module_path, class_name): cls.registry[name] = module_path, class_name

@dataclasses.dataclass
class AllocationData:
    handle: tuple
    tag: str
    cpu_backup_tensor: object = None
    is_asleep: bool = False

class CuMemAllocator:
    def __init__(self):
        self.pointer_to_data, self.handles = {}, {}
    def sleep(self, offload_tags=None):
        assert offload_tags == (), "nothing is to be kept by the allocator"
        for address, data in self.pointer_to_data.items():
            if not data.is_asleep: unmap(self, address)
    def discard(self, tags):
        for address, data in self.pointer_to_data.items():
            if data.tag in tags and not data.is_asleep: unmap(self, address)
    def wake_up(self, tags=None):
        for address, data in self.pointer_to_data.items():
            if data.is_asleep and (tags is None or data.tag in tags): map_at(self, address)
"""
ALLOCATOR = """
cuda = ctypes.CDLL(os.environ["GMEMFS_DRIVER"])
def call(name, *arguments):
    result = getattr(cuda, name)(*arguments)
    assert result == 0, (name, result)
context = ctypes.c_void_p()
call("cuInit", 0)
call("cuDevicePrimaryCtxRetain", ctypes.byref(context), 0)
call("cuCtxSetCurrent", context)
properties = (ctypes.c_uint32 * 16)(1, 0, 1, 0)  # pinned, of device 0
access = (ctypes.c_uint32 * 3)(1, 0, 3)
def map_at(allocator, address):
    size = ctypes.c_size_t(allocator.pointer_to_data[address].handle[1])
    handle = ctypes.c_uint64()
    call("cuMemCreate", ctypes.byref(handle), size, properties, ctypes.c_uint64(0))
    call("cuMemMap", ctypes.c_uint64(address), size, ctypes.c_size_t(0), handle, ctypes.c_uint64(0))
    call("cuMemSetAccess", ctypes.c_uint64(address), size, access, ctypes.c_size_t(1))
    allocator.handles[address] = handle
    allocator.pointer_to_data[address].is_asleep = False
def unmap(allocator, address):
    data = allocator.pointer_to_data[address]
    call("cuMemUnmap", ctypes.c_uint64(address), ctypes.c_size_t(data.handle[1]))
    call("cuMemRelease", allocator.handles[address])
    data.is_asleep = True
def allocate(allocator, tag, size):
    address = ctypes.c_uint64()
    call("cuMemAddressReserve", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_size_t(0), ctypes.c_uint64(0),
         ctypes.c_uint64(0))
    allocator.pointer_to_data[address.value] = AllocationData((0, size, address.value, 0), tag)
    map_at(allocator, address.value)
    return address.value
allocator = CuMemAllocator()
device_allocator = types.ModuleType("vllm.device_allocator")
device_allocator.get_mem_allocator_instance = lambda: allocator
backends = types.ModuleType("vllm.device_allocator.sleep_mode_backend")
backends.SleepModeBackend, backends.SleepModeBackendFactory = SleepModeBackend, SleepModeBackendFactory
sys.modules |= {"vllm": types.ModuleType("vllm"), device_allocator.__name__: device_allocator,
                backends.__name__: backends}
MIB = 1 << 20
data = {allocate(allocator, "weights", size): numpy.random.default_rng(size).bytes(size) for size in
        (2 * MIB, 6 * MIB, 20 * MIB)}
cache = allocate(allocator, "kv_cache", 40 * MIB)
for address, content in data.items(): ctypes.memmove(address & ~(1 << 62), content, len(content))
def read(address, size): return ctypes.string_at(address & ~(1 << 62), size)
def is_right(): return all(read(address, len(content)) == content for address, content in data.items())
def host_used(): return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["host"]["used"]
def refused(kind, word, call, *arguments):
    try: call(*arguments)
    except kind as error: assert word in str(error), error
    else: raise AssertionError("it wasn't refused")
"""


def run_backend(mount, script, **environment):
    run(mount, VLLM + ALLOCATOR + script, {**PEER, "GMEMFS_SLEEP_DIR": str(mount), **environment})


def test_weights_sleep_in_host_memory_of_the_mount(mount):
    run_backend(mount, """
import gmemfs.vllm
gmemfs.vllm.register()
assert SleepModeBackendFactory.registry == {"gmemfs": ("gmemfs.vllm", "Backend")}
backend = gmemfs.vllm.Backend()
assert backend.state() == "RUNNING" and backend.is_supported() and backend.preserves_communicators()
for _ in range(3):
    backend.suspend(1)
    assert backend.state() == "SUSPENDED" and all(each.is_asleep for each in allocator.pointer_to_data.values())
    assert host_used() == 28 * MIB and os.listdir(mount) == [], "the weights, in a file without a name"
    backend.resume()
    assert backend.state() == "RUNNING" and is_right() and host_used() == 0 and leases() == 0
""")


def test_tags_come_back_one_after_the_other(mount):
    run_backend(mount, """
import gmemfs.vllm
backend = gmemfs.vllm.Backend()
backend.suspend(1)
backend.resume(["kv_cache"])
assert not allocator.pointer_to_data[cache].is_asleep and host_used() == 28 * MIB
backend.suspend(1)  # the cache once more: the weights sleep already
assert host_used() == 28 * MIB
gone = max(data)
del data[gone], allocator.pointer_to_data[gone]  # freed while it slept
backend.resume(["weights"])
assert is_right() and host_used() == 0
backend.discard(("kv_cache",))
assert backend.state() == "SUSPENDED" and allocator.pointer_to_data[cache].is_asleep and is_right()
backend.resume()
backend.suspend(2)
assert host_used() == 0, "level 2 keeps nothing"
""")


def test_a_sleep_without_room_leaves_the_engine_awake(mount):
    run_backend(mount, """
import gmemfs.vllm
refused(OSError, "/no/such/mount", gmemfs.vllm.Backend().suspend, 1)
os.environ["GMEMFS_SLEEP_DIR"] = "/tmp"
refused(OSError, "/tmp", gmemfs.vllm.Backend().suspend, 1)
os.environ["GMEMFS_SLEEP_DIR"] = mount
backend = gmemfs.vllm.Backend()
largest = allocate(allocator, "weights", 64 * MIB)
allocator.pointer_to_data[largest].handle = (0, 1 << 50, largest, 0)  # more than any host has
refused(OSError, "", backend.suspend, 1)
assert backend.state() == "RUNNING" and not any(each.is_asleep for each in allocator.pointer_to_data.values())
assert is_right()
del os.environ["GMEMFS_SLEEP_DIR"]
refused(ValueError, "GMEMFS_SLEEP_DIR", gmemfs.vllm.Backend)
""", GMEMFS_SLEEP_DIR="/no/such/mount")


def signatures(source):
    """Parameters of each function and method, by name, and fields of each class."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    found[f"{node.name}.{item.name}"] = [word.arg for word in item.args.args]
                elif isinstance(item, ast.AnnAssign):
                    found[f"{node.name}.{item.target.id}"] = []
    return found


def test_the_stand_in_is_as_vllms_own_source(mount):
    spec = importlib.util.find_spec("vllm")
    if spec is None:
        pytest.skip("no vLLM here")
    folder = pathlib.Path(next(iter(spec.submodule_search_locations))) / "device_allocator"
    theirs = {}
    for name in ("__init__.py", "cumem.py", "sleep_mode_backend.py"):
        theirs |= signatures((folder / name).read_text())
    ours = {name: words for name, words in signatures(VLLM).items() if not name.endswith(".__init__")}
    assert ours and {name: theirs.get(name) for name in ours} == ours
    assert "get_mem_allocator_instance" in (folder / "__init__.py").read_text()
