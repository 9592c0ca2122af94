"""vllm: a sleep-mode backend for vLLM, whose weights sleep in host memory of a mount.

    GMEMFS_SLEEP_DIR=/mnt/gpu vllm serve MODEL --enable-sleep-mode --sleep-mode-backend gmemfs

vLLM finds it by the entry point vllm.general_plugins of an installed gmemfs. It implements vLLM's SleepModeBackend, and
works on the memory that vLLM's own allocator has, whose addresses stay, as with the backend "cumem". What is put away
there lies in pinned memory that belongs to the process; here it is a file of the mount: `df` tells it, quotas and
--host-limit hold for it, and a sleep that has no room fails before anything is given up.
"""
import os
from typing import List, Optional, Tuple

from vllm.device_allocator import get_mem_allocator_instance
from vllm.device_allocator.sleep_mode_backend import SleepModeBackend, SleepModeBackendFactory

from .asleep import Asleep

FOLDER = "GMEMFS_SLEEP_DIR"  # the environment's name of a directory of the mount: backends are given no options
_WEIGHTS = "weights"         # vLLM's tag


class Backend(SleepModeBackend):
    """Level 1 keeps the weights, level 2 nothing. Errors leave the engine awake, or asleep, as it was."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = os.environ.get(FOLDER, "")
        if not self._folder:
            raise ValueError(f"gmemfs: ${FOLDER} doesn't say in which directory of a mount weights are to sleep")
        self._asleep: List[Asleep] = []

    def suspend(self, level: int = 1) -> None:
        allocator = get_mem_allocator_instance()
        if level == 1:
            sizes = {address: data.handle[1] for address, data in allocator.pointer_to_data.items()
                     if data.tag == _WEIGHTS and not data.is_asleep}
            if sizes:
                self._asleep.append(Asleep(self._folder, sizes))
        self._state = "SUSPENDED"
        allocator.sleep(offload_tags=())

    def resume(self, tags: Optional[List[str]] = None) -> None:
        allocator = get_mem_allocator_instance()
        self._state = "RESUMING"
        try:
            allocator.wake_up(tags)
            for asleep in self._asleep:
                asleep.forget(address for address in asleep.addresses() if address not in allocator.pointer_to_data)
                asleep.bring_back([address for address in asleep.addresses()
                                   if not allocator.pointer_to_data[address].is_asleep])
        except BaseException:
            self._state = "SUSPENDED"
            raise
        self._asleep = [asleep for asleep in self._asleep if asleep]
        self._state = "RUNNING"

    def discard(self, tags: Tuple[str, ...]) -> None:
        get_mem_allocator_instance().discard(tags)
        self._state = "SUSPENDED"

    @classmethod
    def preserves_communicators(cls) -> bool:
        """They lie outside of what sleeps."""
        return True


def register() -> None:
    """vLLM's entry point."""
    SleepModeBackendFactory.register_backend("gmemfs", __name__, "Backend")
