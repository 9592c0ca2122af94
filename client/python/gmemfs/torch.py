"""torch: PyTorch's memory as files: a MemPool whose blocks are files, and a module whose parameters are one file.

    with torch.cuda.use_mem_pool(gmemfs.torch.pool("/mnt/gpu/work")):
        cache = torch.zeros(1 << 30, dtype=torch.uint8, device="cuda")     # /mnt/gpu/work/block-PID-000000
    gmemfs.torch.keep(model, "/mnt/gpu/model.safetensors")                 # moves it there
    gmemfs.torch.load(model, "/mnt/gpu/model.safetensors")                 # in another process: without a copy
"""
import contextlib
import ctypes
import functools
import json
import os
import weakref
from typing import Any, Dict, Iterator, Optional, Tuple

from . import _abi
from .file import Path
from .safetensors import about, load_with_metadata
from .saving import save_safetensors

_TIED = "gmemfs.tied"  # metadata: JSON, from each name to that under which its tensor was stored


_pools: "weakref.WeakKeyDictionary[Any, Tuple[int, str]]" = weakref.WeakKeyDictionary()  # number and folder of each


# ---- a pool ----

def pool(path: Path) -> Any:
    """A torch.cuda.MemPool whose memory is files of the directory `path`; where there is none it is made, and removed
    at the end. PyTorch's own allocator stays above it, with its cache and its statistics: a file is what it takes at
    once, 2 MiB or more. Files go when PyTorch gives their memory back. When the pool goes, or the program ends, what is
    left loses its name, and the memory goes with the last tensor; after kill -9 the files stay.

    OSError(ENOTTY): the directory is in no gmemfs mount. OSError(EMFILE): there are 16 pools. What PyTorch is refused
    later is its OutOfMemoryError, and the reason, where it is another one, a line on standard error."""
    import torch
    folder = os.path.abspath(os.fsdecode(path))
    is_new = _make(folder)
    number = ctypes.c_int(-1)
    try:
        _abi.check(_abi.library().gmemfs_open_allocator(_abi.encode(folder), None, number), folder)
        made = torch.cuda.MemPool(_allocator(number.value).allocator())
    except BaseException:
        _close(number.value, folder, is_new, os.getpid())
        raise
    weakref.finalize(made, _close, number.value, folder, is_new, os.getpid())
    _pools[made] = number.value, folder
    return made


def _make(folder: str) -> bool:
    try:
        os.mkdir(folder, 0o700)
        return True
    except FileExistsError:
        return False


def pause(pool: Any, *, keep: bool = True) -> None:
    """The pool's files give their device memory back, when the work that the devices have has ended, and tensors keep
    their addresses, at which nothing may be used until resume(). `keep`: the bytes go to host memory of the mount,
    packed where that saves; else they are dropped. What is paused already stays so.

    OSError(ENOSPC, ENOTSUP): the mount has no room in host memory, or none at all. OSError(EBUSY): another peer has one
    of the files mapped. Then everything is there as before."""
    number, folder = _pools[pool]
    _abi.check(_abi.library().gmemfs_pause_allocator(number, int(keep)), folder)


def resume(pool: Any) -> None:
    """Memory at the same addresses, with the bytes that were kept, or zeros. OSError(ENOSPC): the device has no room:
    it may be called again."""
    number, folder = _pools[pool]
    _abi.check(_abi.library().gmemfs_resume_allocator(number), folder)


@functools.lru_cache(maxsize=None)
def _allocator(number: int) -> Any:
    """Kept, because PyTorch may free memory by it at any time."""
    import torch
    return torch.cuda.memory.CUDAPluggableAllocator(_abi.library()._name, f"gmemfs_allocate_in_{number}",
                                                    f"gmemfs_free_in_{number}")


def _close(number: int, folder: str, is_new: bool, pid: int) -> None:
    if os.getpid() != pid:  # the pool is the parent's
        return
    _abi.library().gmemfs_close_allocator(number)  # one that wasn't opened has no such number
    if is_new:
        with contextlib.suppress(OSError):  # others have files there
            os.rmdir(folder)


# ---- a module ----

def keep(module: Any, path: Path) -> None:
    """Moves the module's parameters and buffers into one new .safetensors file on the mount, and has the module use
    them there: what it computes and learns changes the file. It stays the same module, with the same parameters, names
    and ties, on the file's device; rows become contiguous. The file stays when the process ends, and load() finds it. A
    module that shares a part of a tensor with another one is a ValueError; other errors are save_safetensors'. The
    module is unchanged when there is one."""
    stored, tied = _untie(path, module)
    save_safetensors(stored, path, {_TIED: json.dumps(tied)} if tied else None)
    tensors, metadata = load_with_metadata(path, "torch", False)
    _put(module, tensors, json.loads(metadata.get(_TIED, "{}")), path)


def load(module: Any, path: Path, *, read_only: bool = False) -> None:
    """Has the module use the parameters and buffers in a .safetensors file of the mount, without a copy. They get the
    file's types; which of them require gradients is the module's. One that was built on the device "meta" needs no
    memory before. What one name in the file stands for two in the module, as tied weights do, is tied here. Buffers
    that a state_dict has not may be missing in the file. ValueError: a name is missing, or too many, or its shape is
    another one; the module is unchanged."""
    tensors, metadata = load_with_metadata(path, "torch", read_only)
    _put(module, tensors, _tied_in(path, metadata), path)


def _named(module: Any) -> Dict[str, Any]:
    parameters, buffers = module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False)
    return {**dict(parameters), **dict(buffers)}


def _untie(path: Path, module: Any) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """What is to be stored, each tensor once; and the other names of what has several."""
    stored: Dict[str, Any] = {}
    tied: Dict[str, str] = {}
    first: Dict[Any, str] = {}
    for name, tensor in _named(module).items():
        place = _place_of(tensor)
        key = (place, tensor.shape, tensor.stride(), tensor.dtype) if place else id(tensor)
        if first.setdefault(key, name) != name:
            tied[name] = first[key]
        else:
            stored[name] = tensor.detach()
    _check_apart(path, stored)
    return stored, tied


def _place_of(tensor: Any) -> Optional[Tuple[str, int, int]]:
    """Device, and the addresses of its first byte and behind its last one; None: it has no plain memory."""
    try:
        begin = tensor.data_ptr()
    except RuntimeError:  # sparse
        return None
    if not tensor.numel() or not begin:  # a wrapper, or on "meta"
        return None
    last = sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride()))
    return str(tensor.device), begin, begin + (last + 1) * tensor.element_size()


def _check_apart(path: Path, stored: Dict[str, Any]) -> None:
    """Tensors that share a part of their bytes couldn't do so in the file."""
    ranges = sorted((*place, name) for name, tensor in stored.items() if (place := _place_of(tensor)))
    for one, other in zip(ranges, ranges[1:]):
        if one[0] == other[0] and other[1] < one[2]:
            raise about(f"{os.fsdecode(path)}: {other[3]}", ValueError(f"it shares a part of {one[3]}'s memory: only "
                                                                       "whole tensors can be tied in a file"))


def _tied_in(path: Path, metadata: Dict[str, str]) -> Dict[str, str]:
    try:
        tied = json.loads(metadata.get(_TIED, "{}"))
    except ValueError:
        tied = None
    if not isinstance(tied, dict) or not all(isinstance(name, str) for name in tied.values()):
        raise ValueError(f"gmemfs: {os.fsdecode(path)}: its metadata {_TIED} is no table of names")
    return tied


def _put(module: Any, tensors: Dict[str, Any], tied: Dict[str, str], path: Path) -> None:
    import torch
    chosen = dict(_choose(module, tensors, tied, os.fsdecode(path)))
    made: Dict[str, Any] = {}  # by the name in the file, what stands in the place of a tensor without memory
    with torch.no_grad():
        for name, (old, source) in chosen.items():
            tensor = tensors[source]
            if not old.is_meta:
                old.data = tensor
                if old.grad is not None and old.grad.device != tensor.device:
                    old.grad.data = old.grad.data.to(tensor.device)
                continue
            if source not in made:
                is_parameter = isinstance(old, torch.nn.Parameter)
                made[source] = torch.nn.Parameter(tensor, old.requires_grad) if is_parameter else tensor
            owner, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(owner), attribute, made[source])


def _choose(module: Any, tensors: Dict[str, Any], tied: Dict[str, str], path: str) -> Iterator[Tuple[str, Any]]:
    """Of each name in the module its tensor, and the name in the file; all of it is checked before the first is put."""
    named = _named(module)
    by_identity = {id(tensor): name for name, tensor in named.items() if name in tensors}
    left, missing = set(tensors), []
    saved = module.state_dict().keys()
    for name, old in named.items():
        source = tied.get(name, name)
        if source not in tensors:
            source = by_identity.get(id(old), "")  # the module ties what the file has once
        if not source:
            missing += [name] if name in saved else []
            continue
        if tuple(old.shape) != tuple(tensors[source].shape):
            raise ValueError(f"gmemfs: {path}: {name}: the file has the shape {tuple(tensors[source].shape)}, the "
                             f"module {tuple(old.shape)}")
        left.discard(source)
        yield name, (old, source)
    if missing or left:
        raise ValueError(f"gmemfs: {path}: it isn't this module's: " + "; ".join(
            f"{what} {', '.join(sorted(names)[:5])}" for what, names in (("it lacks", missing), ("only it has", left))
            if names))
