"""PyTorch's tensors in host memory, on the simulator: what is saved is what the tensor says, or it is refused.

PyTorch is too large for `make deps`: this is skipped where it isn't installed. tests/gpu/tensors.py has the device's.
"""
from test_package import fixture_mount  # noqa: F401
from test_safetensors import check, needs

PRELUDE = """
import torch
generator = torch.Generator().manual_seed(5)
"""


@needs("torch")
def test_every_type_is_saved_as_safetensors_saves_it_or_refused(mount):
    check(mount, PRELUDE + """
import safetensors.torch
tensors = {}
for name in sorted(dir(torch)):
    dtype = getattr(torch, name)
    if not isinstance(dtype, torch.dtype) or str(dtype) != "torch." + name: continue
    try:
        raw = torch.randint(0, 2, (2, 4, dtype.itemsize), dtype=torch.uint8, generator=generator)
        tensor = raw.view(dtype).reshape(2, 4)
        theirs = safetensors.torch.save({"a": tensor})
    except Exception:
        if name.startswith(("q", "bits", "int", "uint")) and dtype.itemsize == 1 and name not in ("int8", "uint8"):
            tensor = torch.empty((2, 4), dtype=dtype) if not name.startswith("q") else torch.quantize_per_tensor(
                torch.zeros(2, 4), 1.0, 0, dtype)
        refused(TypeError, "a", of=(gmemfs.save_safetensors, {"a": tensor, "b": tensor}, model))
        continue
    tensors[name] = tensor
assert len(tensors) >= 15, tensors.keys()
gmemfs.save_safetensors(tensors, model)
for name, tensor in tensors.items():
    with safetensors.safe_open(model, framework="pt") as opened: loaded = opened.get_tensor(name)
    assert loaded.dtype == tensor.dtype and loaded.shape == tensor.shape, name
    assert torch.equal(loaded.view(torch.uint8), tensor.view(torch.uint8)), name
    array = gmemfs.load_safetensors(model)[name]
    assert array.nbytes == tensor.nbytes and array.shape == tuple(tensor.shape), name
    assert gmemfs.tensor(mount + "/" + name, (2, 4), tensor.dtype, create=True).nbytes == tensor.nbytes
""")


@needs("torch")
def test_views_are_saved_as_what_they_show(mount):
    check(mount, PRELUDE + """
complex_ = torch.randn(3, 4, dtype=torch.complex64, generator=generator)
real = torch.randn(2, 3, 4, 5, generator=generator)
class Plain(torch.Tensor): pass
tensors = {"conj": complex_.conj(), "neg": complex_.conj().imag, "both": complex_.T.conj(), "real": complex_.real,
           "last": real.to(memory_format=torch.channels_last), "T": real.mT, "step": real[:, ::2, 1:],
           "wide": torch.ones(1).expand(3, 5), "scalar": torch.tensor(2.5), "empty": real[:0], "bool": real > 0,
           "none": torch.empty(0, 3), "grad": real.clone().requires_grad_(), "parameter": torch.nn.Parameter(real),
           "plain": real.as_subclass(Plain), "bf16": real.bfloat16().mT, "flip": real.flip(0),
           "fp4": torch.arange(32, dtype=torch.uint8).view(torch.float4_e2m1fn_x2).reshape(4, 8)[::2]}
assert tensors["conj"].is_conj() and tensors["neg"].is_neg()
gmemfs.save_safetensors(tensors, model)
import safetensors
with safetensors.safe_open(model, framework="pt") as opened:
    for name, tensor in tensors.items():
        found, tensor = opened.get_tensor(name), tensor.detach().as_subclass(torch.Tensor)
        assert found.dtype == tensor.dtype and found.shape == tensor.shape, name
        if name == "fp4": found, tensor = found.view(torch.uint8), tensor.view(torch.uint8)
        assert torch.equal(found, tensor), name
""")


@needs("torch")
def test_what_has_no_plain_memory_is_refused(mount):
    check(mount, PRELUDE + """
from torch._subclasses.fake_tensor import FakeTensorMode
class Wrapper(torch.Tensor):
    @staticmethod
    def __new__(cls, inner): return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)
    def __init__(self, inner): self.inner = inner
    @classmethod
    def __torch_dispatch__(cls, call, types, arguments=(), named=None): raise NotImplementedError
freed = torch.ones(100)
freed_view = freed[::2]
freed.untyped_storage().resize_(0)
with FakeTensorMode(): fake = torch.ones(3)
tensors = {"sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(), "freed": freed, "fake": fake,
           "freed view": freed_view, "meta": torch.ones(3, device="meta"), "wrapper": Wrapper(torch.ones(3)),
           "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])}
for name, tensor in tensors.items():
    refused(ValueError, name, of=(gmemfs.save_safetensors, {name: tensor}, model))
assert os.listdir(mount) == []
""")
