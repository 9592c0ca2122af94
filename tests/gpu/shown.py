"""Shown: a part of a mapping as a tensor of whichever device the caller names: DLPack, for torch.from_dlpack.

gmemfs' own arrays are on the device of the file's first byte. A file over several devices has parts on others, and each
device that reaches it may compute on it.
"""
import os

from gmemfs import dlpack

INT, FLOAT = 0, 2  # DLPack's type codes


class Shown:
    def __init__(self, mapping, offset, count, code, ordinal):
        """`count` elements of 32 bits from `offset` bytes on."""
        self.mapping, self.offset, self.count, self.code, self.ordinal = mapping, offset, count, code, ordinal

    def __dlpack_device__(self):
        return dlpack.CUDA, self.ordinal

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return dlpack.make_capsule(self.mapping, self.mapping.address + self.offset, self.__dlpack_device__(),
                                   (self.code, 32), (self.count,), False, max_version)


def place(folder, where):
    """Makes a folder whose files lie where `user.gmemfs.device` says."""
    os.makedirs(folder)
    os.setxattr(folder, "user.gmemfs.device", where.encode())
