"""torch_memory_saver with gmemfs' implementation, over the simulator: regions are files, pause and resume.

By torch_memory_saver 0.0.10 itself where that and PyTorch are installed, with stand-ins for PyTorch's MemPool; and by a
stand-in for what a later one is to have (its request 79): register_hook_mode, and the hook mode that chooses.
"""
import importlib.metadata

import pytest
from test_package import fixture_mount  # noqa: F401
from test_package import run
from test_safetensors import needs
from test_torch_modules import POOLS

VERSION = "0.0.10"
STAND_IN = """
import contextlib
class TorchMemorySaver:
    _impl, mode = None, "preload"
    hook_mode = property(lambda self: None, lambda self, mode: setattr(self, "mode", mode))
    def use(self):
        self._impl = self._impl or modes[self.mode][0]()
        return self._impl
    def region(self, tag="default", enable_cpu_backup=False):
        return self.use().region(tag=tag, enable_cpu_backup=enable_cpu_backup)
    def cuda_graph(self, graph, pool=None, tag="default"): return self.use().cuda_graph(cuda_graph=graph, tag=tag)
    def disable(self): return self.use().disable()
    def pause(self, tag=None): self.use().pause(tag=tag)
    def resume(self, tag=None): self.use().resume(tag=tag)
modes = {}
def register_hook_mode(name, factory, *, uses_preload=True): modes[name] = factory, uses_preload
sys.modules["torch_memory_saver"] = types.SimpleNamespace(torch_memory_saver=TorchMemorySaver(),
                                                          register_hook_mode=register_hook_mode)
"""
# PyTorch's own, but for what needs a GPU.
REAL = """
stand_in = sys.modules.pop("torch")
import torch
torch.cuda.MemPool, torch.cuda.memory.CUDAPluggableAllocator = stand_in.cuda.MemPool, Allocator
import torch_memory_saver
"""
WORK = """
import contextlib
import gmemfs.memory_saver
import torch_memory_saver
torch = sys.modules["torch"]
chosen = []
@contextlib.contextmanager
def use_mem_pool(pool):
    chosen.append(pool)
    yield
    chosen.pop()
torch.cuda.use_mem_pool, torch.cuda.current_device = use_mem_pool, lambda: 0
torch.cuda.MemPool = lambda allocator=None: MemPool(allocator)
def allocate(size): return chosen[-1].allocator.allocate(size, 0, None)
def used():
    told = json.loads(os.getxattr(mount, "user.gmemfs.stats"))
    return told["used"], told["host"]["used"] > 0
MIB = 1 << 20
saver = torch_memory_saver.torch_memory_saver
gmemfs.memory_saver.register(mount + "/saver")
with saver.region(tag="weights", enable_cpu_backup=True):
    weights = allocate(20 * MIB)
    with saver.disable(): assert chosen[-1].allocator is None, "this memory isn't the region's"
with saver.region(tag="kv/cache"): cache = allocate(40 * MIB)
with saver.region(tag="weights", enable_cpu_backup=True): more = allocate(2 * MIB)
assert sorted(os.listdir(mount + "/saver")) == ["kv%2Fcache-0", "weights-kept-0"]
assert len(os.listdir(mount + "/saver/weights-kept-0")) == 2
content = numpy.random.default_rng(1).bytes(20 * MIB)
host_of = lambda address: address & ~(1 << 62)
ctypes.memmove(host_of(weights), content, len(content))
ctypes.memset(host_of(cache), 7, 40 * MIB)
ctypes.memset(host_of(more), 9, 2 * MIB)
def is_right(): return (ctypes.string_at(host_of(weights), 20 * MIB) == content and
                        ctypes.string_at(host_of(more), 2 * MIB) == bytes([9]) * (2 * MIB))
assert used() == (62 * MIB, False)
saver.pause("weights")
assert used() == (40 * MIB, True)
saver.resume("weights")
assert used() == (62 * MIB, False) and is_right()
saver.pause()
assert used() == (0, True)
saver.resume("kv/cache")
assert ctypes.string_at(host_of(cache), 40 * MIB) == bytes(40 * MIB), "without a backup it is zeros"
saver.resume()
assert is_right() and used() == (62 * MIB, False)
for word, refused in (("disk", saver._impl.region("a", False, True)), ("graph", saver.cuda_graph(None))):
    try:
        with refused: pass
    except NotImplementedError as error: assert word in str(error), error
    else: raise AssertionError(word)
try: gmemfs.memory_saver.register(mount + "/other")
except RuntimeError as error: assert "first use" in str(error), error
else: raise AssertionError("it was registered late")
"""


def test_a_registered_hook_mode_is_gmemfs(mount):
    run(mount, POOLS + STAND_IN + WORK + """
assert list(modes) == ["gmemfs"] and modes["gmemfs"][1] is False and saver.mode == "gmemfs"
""")


@needs("torch", "torch_memory_saver")
def test_torch_memory_saver_itself_calls_gmemfs(mount):
    found = importlib.metadata.version("torch_memory_saver")
    if found != VERSION:
        pytest.skip(f"torch_memory_saver {found}: this is written for {VERSION}")
    run(mount, POOLS + REAL + WORK)
