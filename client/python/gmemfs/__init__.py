"""gmemfs: files of a gmemfs mount as device memory.

    import gmemfs, torch
    weights = torch.from_dlpack(gmemfs.tensor("/mnt/gpu/weights", (4096, 4096), "float16"))
    model = gmemfs.load_safetensors("/mnt/gpu/model.safetensors", framework="torch")

What is handed to a framework is the file's own memory, and keeps it mapped for as long as the framework holds it.
Failures are OSError, with errno, filename and a text that says what to do. libgmemfs.so is found by the loader, or
named by $GMEMFS_LIBRARY; the driver is libcuda.so.1, or $GMEMFS_DRIVER. What is closed, unmapped or odd is ValueError.
In a forked child everything is a ChildProcessError, and what goes there takes nothing from the parent: use
multiprocessing's "spawn".
"""
import importlib

from ._abi import version
from .array import Array
from .file import File, Mapping, map_directory, open, tensor
from .safetensors import load_safetensors

__all__ = ["Array", "File", "Mapping", "Plan", "PoolInfo", "Ring", "Session", "Shard", "TensorSpec", "load_safetensors",
           "map_directory", "name_tensor", "open", "plan", "pool_info", "save_safetensors", "tensor", "torch",
           "unname_tensor", "version"]
_LATER = {"save_safetensors": "saving", "Ring": "batch", "Plan": "planning", "TensorSpec": "planning",
          "plan": "planning", "Session": "session", "Shard": "sharding", "PoolInfo": "telemetry",
          "pool_info": "telemetry", "name_tensor": "naming", "unname_tensor": "naming", "torch": "torch"}
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Who loads a model waits for the import: what only others need comes with the first use of it."""
    if name not in _LATER:
        raise AttributeError(f"module 'gmemfs' has no attribute {name!r}")
    module = importlib.import_module(f".{_LATER[name]}", __name__)
    found = globals()[name] = module if name == _LATER[name] else getattr(module, name)
    return found
