"""Asleep: bytes of device memory, put away into host memory of a mount, while their owner gives the memory back.

They lie in a file without a name: `df` and quotas count it, and it goes with this process, however that ends.
"""
import ctypes
import os
from typing import Dict, Iterable, List, Mapping, Sequence, Tuple

from . import _abi
from .copying import device_of, on_device
from .file import Path
from .new_file import host_file


class Asleep:
    """Of several ranges of device memory, whose addresses their owner keeps. Not thread-safe."""

    def __init__(self, folder: Path, sizes: Mapping[int, int]) -> None:
        """`sizes`: bytes by address. All that streams still write there is waited for. OSError(ENOSPC, EDQUOT): the
        mount has no such room in host memory, or the user has not."""
        self._places: Dict[int, Tuple[int, int]] = {}  # of each address its offset in the file, and its size
        end = 0
        for address, size in sizes.items():
            self._places[address] = end, size
            end += size
        with host_file(os.fsdecode(folder), end) as file:
            self._mapping = file.map()
        _copy([(self._mapping.address + offset, address, address, size)
               for address, (offset, size) in self._places.items()])

    def addresses(self) -> List[int]:
        return list(self._places)

    def __bool__(self) -> bool:
        return bool(self._places)

    def bring_back(self, addresses: Sequence[int]) -> None:
        """Memory is there again at these addresses, and gets its bytes. When all of them have theirs, the file goes."""
        _copy([(address, self._mapping.address + self._places[address][0], address, self._places[address][1])
               for address in addresses])
        self.forget(addresses)

    def forget(self, addresses: Iterable[int]) -> None:
        """Nobody wants these bytes any more."""
        for address in list(addresses):
            self._places.pop(address, None)
        if not self._places:
            self._mapping.unmap()


def _copy(copies: Iterable[Tuple[int, int, int, int]]) -> None:
    """Target, source, which of the two is the owner's, and bytes: each on the owner's device, which uses the other one
    over the bus; and waits for all."""
    driver = _abi.driver()
    with driver.relaxed():
        _abi.wait()  # what writes there, and in contexts of the program's own
        for target, source, own, size in copies:
            with on_device(driver, device_of(driver, own)), driver.own_stream() as stream:
                driver.call("cuMemcpyDtoDAsync_v2", ctypes.c_uint64(target), ctypes.c_uint64(source),
                            ctypes.c_size_t(size), stream)
                driver.call("cuStreamSynchronize", stream)
