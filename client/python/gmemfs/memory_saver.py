"""memory_saver: an implementation of torch_memory_saver whose regions are files of a mount.

    import gmemfs.memory_saver
    gmemfs.memory_saver.register("/mnt/gpu/saver")             # in each process, before torch_memory_saver is used
    with torch_memory_saver.torch_memory_saver.region(tag="weights", enable_cpu_backup=True):
        weights = torch.zeros(...)                             # a file of /mnt/gpu/saver/weights-kept-0
    torch_memory_saver.torch_memory_saver.pause("weights")     # into host memory of the mount, packed where that saves
    torch_memory_saver.torch_memory_saver.resume("weights")    # at the same addresses

A later torch_memory_saver takes implementations by register_hook_mode(name, factory, uses_preload) (its proposal 77,
request 79). Version 0.0.10 has nothing of the kind: its hook modes are "preload" and "torch". There the attribute is
set that its facade fills itself when it is used first.
"""
import contextlib
import os
from typing import Any, Dict, Iterator, Optional, Tuple
from urllib.parse import quote

from . import torch as memory
from .file import Path

NAME = "gmemfs"


class MemorySaver:
    """What torch_memory_saver calls. A region's memory is a MemPool of its tag; with a backup its bytes go to host
    memory when it pauses, else they are dropped. PyTorch's expandable segments go past it, as past any pool."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.path.abspath(os.fsdecode(folder))
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._pools: Dict[Tuple[str, bool, int], Any] = {}

    @contextlib.contextmanager
    def region(self, tag: str, enable_cpu_backup: bool, enable_disk_backup: bool = False,
               cpu_backup_backend: Optional[str] = None) -> Iterator[None]:
        """`cpu_backup_backend` is torch_memory_saver's choice between two kinds of its own memory."""
        import torch
        if enable_disk_backup:
            raise NotImplementedError("gmemfs keeps what is paused in host memory: enable_cpu_backup; `gmemfs save` "
                                      "writes files to a disk")
        with torch.cuda.use_mem_pool(self._pool(tag, enable_cpu_backup)):
            yield

    def _pool(self, tag: str, is_kept: bool) -> Any:
        import torch
        device = torch.cuda.current_device()  # which a MemPool belongs to
        key = tag, is_kept, device
        if key not in self._pools:
            name = f"{quote(tag, safe='')}{'-kept' if is_kept else ''}-{device}"
            self._pools[key] = memory.pool(os.path.join(self._folder, name))
        return self._pools[key]

    @contextlib.contextmanager
    def cuda_graph(self, **_: Any) -> Iterator[None]:
        """As in torch_memory_saver's hook mode "torch"; graphs that use a region's memory stay good."""
        raise NotImplementedError("gmemfs: a graph's own memory can't be paused: capture it by torch.cuda.graph")
        yield  # pylint: disable=unreachable  # the decorator wants a generator

    @contextlib.contextmanager
    def disable(self) -> Iterator[None]:
        """Within a region: memory that isn't the region's."""
        import torch
        with torch.cuda.use_mem_pool(torch.cuda.MemPool()):
            yield

    def pause(self, tag: Optional[str] = None) -> None:
        """Of that tag, or all. What is paused already stays so. OSError(ENOSPC): host memory has no room; then the
        tag's memory is there as before."""
        for (its, is_kept, _), pool in self._pools.items():
            if tag in (None, its):
                memory.pause(pool, keep=is_kept)

    def resume(self, tag: Optional[str] = None) -> None:
        """OSError(ENOSPC): the device has no room; then it may be called again."""
        for (its, _, _), pool in self._pools.items():
            if tag in (None, its):
                memory.resume(pool)


def register(folder: Path) -> None:
    """Has torch_memory_saver use files of `folder`, in this process. RuntimeError: it has been used already."""
    import torch_memory_saver
    saver = torch_memory_saver.torch_memory_saver
    if saver._impl is not None:
        raise RuntimeError("gmemfs: torch_memory_saver has been used already: register before its first use")
    if hasattr(torch_memory_saver, "register_hook_mode"):
        torch_memory_saver.register_hook_mode(NAME, lambda: MemorySaver(folder), uses_preload=False)
        saver.hook_mode = NAME
    else:
        saver._impl = MemorySaver(folder)
