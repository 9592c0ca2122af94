"""gmemfs.torch on the simulator: a pool's files, by a stand-in for PyTorch's MemPool; modules by PyTorch, where it is.

The simulator's memory is shown to PyTorch as the host's. tests/gpu/torch_modules.py has the device's.
"""
from test_package import fixture_mount  # noqa: F401
from test_package import run
from test_safetensors import needs

# What PyTorch does with a pair of functions: it calls them from C, with a size, a device and a stream.
POOLS = """
import types
class Allocator:
    def __init__(self, library, allocate, give):
        loaded = ctypes.CDLL(library)
        self.allocate, self.give = loaded[allocate], loaded[give]
        self.allocate.restype = ctypes.c_void_p
        self.allocate.argtypes = [ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]
        self.give.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p]
    def allocator(self): return self
class MemPool:
    def __init__(self, allocator): self.allocator = allocator
memory = types.SimpleNamespace(CUDAPluggableAllocator=Allocator)
sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(MemPool=MemPool, memory=memory))
folder = mount + "/work"
files = lambda: sorted(os.listdir(folder))
"""


def test_a_pools_blocks_are_files_until_they_are_freed(mount):
    run(mount, POOLS + """
pool = gmemfs.torch.pool(folder)
first = pool.allocator.allocate(20 << 20, 0, None)
second = pool.allocator.allocate(2 << 20, 0, None)
assert [os.stat(folder + "/" + name).st_size for name in files()] == [20 << 20, 2 << 20]
assert files() == [f"block-{os.getpid()}-{number:06}" for number in range(2)]
assert oct(os.stat(folder).st_mode)[-3:] == "700"
ctypes.memset(first & ~(1 << 62), 7, 20 << 20)
assert open(folder + "/" + files()[0], "rb").read() == bytes([7]) * (20 << 20)
pool.allocator.give(first, 20 << 20, 0, None)
assert files() == [f"block-{os.getpid()}-000001"]
assert pool.allocator.allocate(1 << 40, 0, None) is None
assert len(files()) == 1, "what couldn't be had leaves a file"
allocator = pool.allocator
del pool
assert not os.path.exists(folder), "the names go with the pool"
assert leases() == 1, "and the memory with what was allocated"
allocator.give(second, 2 << 20, 0, None)
assert leases() == 0
""")


def test_pools_have_numbers_of_their_own_and_use_them_again(mount):
    run(mount, POOLS + """
for _ in range(3):
    pools = [gmemfs.torch.pool(folder + str(number)) for number in range(16)]
    blocks = [pool.allocator.allocate(2 << 20, 0, None) for pool in pools]
    assert len(set(blocks)) == 16 and all(len(os.listdir(folder + str(number))) == 1 for number in range(16))
    try: gmemfs.torch.pool(folder)
    except OSError as error: assert error.errno == 24, error
    else: raise AssertionError("a seventeenth pool")
    for pool, block in zip(pools, blocks): pool.allocator.give(block, 2 << 20, 0, None)
    del pools, pool
    assert os.listdir(mount) == []
outside = os.path.dirname(mount)
for nowhere in (outside, outside + "/new", mount + "/no/such"):
    try: gmemfs.torch.pool(nowhere)
    except OSError as error: assert nowhere in str(error), error
    else: raise AssertionError(nowhere)
assert sorted(os.listdir(outside)) == ["mount"], "something was made outside of a mount"
os.mkdir(folder)
del gmemfs.torch.pool(folder).allocator
assert os.path.isdir(folder), "a directory that was there was removed"
""")


PAUSES = """
pool = gmemfs.torch.pool(folder)
sizes = (20 << 20, 2 << 20, 34 << 20)
contents = [numpy.random.default_rng(size).bytes(size) for size in sizes]
blocks = [pool.allocator.allocate(size, 0, None) for size in sizes]
def read(block, size): return ctypes.string_at(block & ~(1 << 62), size)
def fill():
    for block, content in zip(blocks, contents): ctypes.memmove(block & ~(1 << 62), content, len(content))
def stats(): return json.loads(os.getxattr(mount, "user.gmemfs.stats"))
def is_right(): return all(read(block, len(content)) == content for block, content in zip(blocks, contents))
fill()
used = stats()["used"]
"""


def test_a_paused_pool_has_no_device_memory_and_comes_back_with_its_bytes(mount):
    run(mount, POOLS + PAUSES + """
for _ in range(3):
    gmemfs.torch.pause(pool)
    gmemfs.torch.pause(pool)  # which changes nothing
    assert stats()["used"] == used - sum(sizes) and stats()["host"]["used"] >= sum(sizes) and leases() == 0
    other = pool.allocator.allocate(6 << 20, 0, None)  # meanwhile
    assert other not in blocks and leases() == 1
    taken = [gmemfs.open(mount + f"/taken{number}", 20 << 20).map() for number in range(4)]  # wants addresses, too
    gmemfs.torch.resume(pool)
    assert is_right() and stats()["host"]["used"] == 0
    pool.allocator.give(other, 6 << 20, 0, None)
    for mapping in taken: mapping.unmap(); os.unlink(mapping.path)
gmemfs.torch.pause(pool, keep=False)
assert stats()["used"] == used - sum(sizes) and stats()["host"]["used"] == 0
gmemfs.torch.resume(pool)
assert all(read(block, size) == bytes(size) for block, size in zip(blocks, sizes)), "dropped bytes are zeros"
gmemfs.torch.pause(pool)
for block, size in zip(blocks, sizes): pool.allocator.give(block, size, 0, None)  # freed while it is paused
assert files() == [] and stats()["used"] == 0 == stats()["host"]["used"]
gmemfs.torch.resume(pool)
""")


def test_a_pause_that_fails_leaves_everything_there(mount):
    run(mount, POOLS + PAUSES + """
peer = gmemfs.open(folder + "/" + files()[2]).map()
try: gmemfs.torch.pause(pool)
except OSError as error: assert error.errno == 16 and files()[2] in str(error), error
else: raise AssertionError("a file that a peer has mapped was put away")
assert is_right() and stats()["used"] == used
peer.unmap()
gmemfs.torch.pause(pool)
filler = gmemfs.open(mount + "/filler", 246 << 20).map()  # of 256
try: gmemfs.torch.resume(pool)
except OSError as error: assert error.errno == 28, error
else: raise AssertionError("there was room")
filler.unmap()
os.unlink(mount + "/filler")
while stats()["used"] > 200 << 20: pass  # the server is told of closed files a moment later
gmemfs.torch.resume(pool)
assert is_right()
""")


def test_a_pools_names_go_when_the_program_ends(mount):
    run(mount, POOLS + """
pool = gmemfs.torch.pool(folder)
assert pool.allocator.allocate(2 << 20, 0, None)
if os.fork() == 0: sys.exit()  # takes nothing from its parent
os.wait()
assert len(files()) == 1
""")
    assert not list(mount.iterdir())


def test_importing_the_package_imports_no_pytorch(mount):
    run(mount, """
        assert "torch" not in sys.modules
        gmemfs.torch
        assert "torch" not in sys.modules, "and neither does gmemfs.torch before it is used"
        """)


# The file's memory as PyTorch would have it on a device.
MODULES = """
import torch
from torch import nn
def on_host(part):
    raw = torch.from_dlpack(OnHost(part.raw())) if part.size else torch.empty(0, dtype=torch.uint8)
    return raw.view(getattr(torch, part.dtype.name)).reshape(part.shape)
from gmemfs import safetensors as loading
loading._CONVERTERS["torch"] = on_host
path = mount + "/model.safetensors"
class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.mix = nn.Linear(16, 16)
        self.norm = nn.BatchNorm1d(16)
        self.out = nn.Linear(16, 50, bias=False)
        self.out.weight = self.words.weight
        self.register_buffer("scale", torch.full((3,), 2.0), persistent=False)
        self.mix.bias.requires_grad_(False)
    def forward(self, tokens): return self.out(self.norm(torch.relu(self.mix(self.words(tokens))))) * self.scale[0]
def make(seed):
    torch.manual_seed(seed)
    return Tied()
tokens = torch.arange(20)
"""


@needs("torch")
def test_a_kept_module_is_the_same_and_lives_in_the_file(mount):
    run(mount, MODULES + """
model = make(1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
wanted = model.eval()(tokens)
before = {name: (id(value), value.requires_grad, value.dtype) for name, value in model.named_parameters()}
gmemfs.torch.keep(model, path)
assert torch.equal(model(tokens), wanted)
assert before == {name: (id(value), value.requires_grad, value.dtype) for name, value in model.named_parameters()}
assert model.out.weight is model.words.weight and isinstance(model.words.weight, nn.Parameter)
assert list(model.state_dict()) == list(make(1).state_dict())
stored = gmemfs.load_safetensors(path)
assert "out.weight" not in stored and "scale" in stored and stored["norm.num_batches_tracked"].dtype == "int64"
model.train()(tokens).sum().backward()
optimizer.step()
assert numpy.array_equal(host(gmemfs.load_safetensors(path)["words.weight"]), model.words.weight.detach().numpy())
assert not torch.equal(model.eval()(tokens), wanted), "it has learnt"
""")


@needs("torch")
def test_another_process_finds_the_module(mount):
    run(mount, MODULES + """
model = make(1).eval()
gmemfs.torch.keep(model, path)
torch.save(model(tokens), mount + "/wanted")
""")
    run(mount, MODULES + """
wanted = torch.load(mount + "/wanted")
other = make(2).eval()
assert not torch.equal(other(tokens), wanted)
gmemfs.torch.load(other, path)
assert torch.equal(other(tokens), wanted) and other.out.weight is other.words.weight
with torch.device("meta"): empty = Tied().eval()
gmemfs.torch.load(empty, path)
assert torch.equal(empty(tokens), wanted) and empty.out.weight is empty.words.weight
assert not empty.mix.bias.requires_grad and empty.mix.weight.requires_grad
assert not any(value.is_meta for value in [*empty.parameters(), *empty.buffers()])
with torch.no_grad(): other.words.weight.fill_(3)
assert (empty.words.weight == 3).all(), "both are the file"
untied = make(3)
untied.out.weight = nn.Parameter(torch.zeros(50, 16))
gmemfs.torch.load(untied, path)
assert untied.out.weight.data_ptr() == untied.words.weight.data_ptr()
""")


@needs("torch")
def test_a_file_of_another_module_changes_nothing(mount):
    run(mount, MODULES + """
gmemfs.torch.keep(nn.Linear(4, 4), path)
for other, word in ((nn.Linear(4, 5), "shape"), (nn.Linear(4, 4, bias=False), "only it has bias"),
                    (nn.Sequential(nn.Linear(4, 4)), "it lacks 0.bias, 0.weight")):
    before = {name: value.clone() for name, value in other.state_dict().items()}
    try: gmemfs.torch.load(other, path)
    except ValueError as error: assert word in str(error) and path in str(error), error
    else: raise AssertionError(word)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
both = nn.Linear(4, 4)
both.register_buffer("part", both.weight.detach()[1:3])
try: gmemfs.torch.keep(both, mount + "/part")
except ValueError as error: assert "part" in str(error) and "weight" in str(error), error
else: raise AssertionError("a part of a tensor was kept")
sparse = nn.Module()
sparse.register_buffer("thin", torch.eye(3).to_sparse())
try: gmemfs.torch.keep(sparse, mount + "/part")
except ValueError as error: assert "thin" in str(error), error
else: raise AssertionError("a sparse tensor was kept")
assert not os.path.exists(mount + "/part") and both.part.data_ptr() == both.weight[1:3].data_ptr()
gmemfs.save_safetensors({"weight": numpy.ones((4, 4), "f4"), "bias": numpy.ones(4, "f4")}, path, {"gmemfs.tied": "[]"})
try: gmemfs.torch.load(nn.Linear(4, 4), path)
except ValueError as error: assert "gmemfs.tied" in str(error), error
else: raise AssertionError("metadata that is no table")
""")


@needs("torch")
def test_views_and_shared_storages_are_kept_as_what_they_show(mount):
    run(mount, MODULES + """
flat = torch.randn(40)
model = nn.Module()
model.first, model.second = nn.Parameter(flat[:16].view(4, 4).T), nn.Parameter(flat[16:])  # as flattened weights lie
model.again = nn.Parameter(flat[16:])  # another parameter over the same bytes
model.none = nn.Parameter(torch.empty(0, 3))
model.wide = nn.Parameter(torch.randn(6, 3, 2, 2).to(memory_format=torch.channels_last).bfloat16())
before = {name: value.detach().clone() for name, value in model.named_parameters(remove_duplicate=False)}
gmemfs.torch.keep(model, path)
for name, value in model.named_parameters(remove_duplicate=False):
    assert torch.equal(value, before[name]) and value.is_contiguous(), name
assert model.again.data_ptr() == model.second.data_ptr() and model.again is not model.second
assert sorted(gmemfs.load_safetensors(path)) == ["first", "none", "second", "wide"]
gmemfs.torch.keep(model, path)  # from that file into a new one
assert all(torch.equal(value, before[name]) for name, value in model.named_parameters(remove_duplicate=False))
""")
