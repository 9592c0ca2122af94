"""Steps: what the random tester does, one system call each: a plain tuple, so that a failure can be shrunk and kept.

A step is (process, call, argument...). It names a descriptor by its slot in that process, and files by paths out of a
small pool, so that it means something whatever was left out before it. Nothing in it depends on results.
"""
import os
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mount" / "cold"))
from control import PACK, WAKE

PROCESSES = 3
SLOTS = 3
LARGEST = 5 << 20  # bytes of a file: past two granules
FOLDERS = ["", "d", "d/e", "g"]
NAMES = ["a", "b", "c", "d", "e", "g"]
XATTRS = ["user.one", "user.two"]
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32
NOREPLACE, EXCHANGE = 1, 2
DATA, HOLE = os.SEEK_DATA, os.SEEK_HOLE

WEIGHTS = {
    "open": 16, "close": 4, "write": 10, "pwrite": 14, "read": 6, "pread": 10, "map_read": 3, "map_write": 4,
    "ftruncate": 6, "truncate": 5, "fallocate": 10, "copy": 8, "seek": 4, "rename": 8, "link": 4, "unlink": 6,
    "symlink": 2, "readlink": 1, "mkdir": 4, "rmdir": 3, "chmod": 2, "fchmod": 1, "setxattr": 2, "getxattr": 1,
    "listxattr": 1, "removexattr": 1, "readdir": 3, "stat": 3, "lstat": 2, "fstat": 3, "fsync": 1, "tree": 0.5,
    "pack": 4,
}


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.count = 0

    def path(self):
        folder = self.random.choice(["", "", *FOLDERS])  # that there is one is more likely
        name = self.random.choice(NAMES)
        return f"{folder}/{name}" if folder else name

    def offset(self):
        """Mostly near something: the start, a page, a block of 128 KiB, a granule of 2 MiB."""
        near = self.random.choice([0, 4096, 65536, 131072, 1 << 20, 2 << 20, 4 << 20])
        far = self.random.choice([0, 1, -1, 7, 511, self.random.randrange(-3000, 3000), self.random.randrange(LARGEST)])
        return max(0, min(LARGEST, near + far))

    def length(self, offset=0):
        most = self.random.choice([1, 16, 4096, 65536, 300000, 2 << 20, 3 << 20])
        return min(self.random.randrange(1, most + 1), LARGEST - offset)

    def flags(self):
        flags = self.random.choice([os.O_RDWR] * 5 + [os.O_RDONLY, os.O_WRONLY])
        for bit, chance in ((os.O_CREAT, 0.85), (os.O_EXCL, 0.1), (os.O_TRUNC, 0.12), (os.O_APPEND, 0.15),
                            (os.O_NOFOLLOW, 0.05)):
            if self.random.random() < chance:
                flags |= bit
        return flags & ~os.O_EXCL if not flags & os.O_CREAT else flags  # O_EXCL alone is undefined

    def step(self):
        self.count += 1
        pick = self.random
        process, slot, call = pick.randrange(PROCESSES), pick.randrange(SLOTS), pick.choices(*zip(*WEIGHTS.items()))[0]
        offset = self.offset()
        length = self.length(offset)
        arguments = {
            "open": lambda: (slot, self.path(), self.flags(), pick.choice([0o644, 0o600, 0o777])),
            "close": lambda: (slot,),
            "write": lambda: (slot, self.length(LARGEST // 2), self.count),
            "pwrite": lambda: (slot, offset, length, self.count),
            "read": lambda: (slot, length),
            "pread": lambda: (slot, offset, pick.choice([length, LARGEST])),
            "map_read": lambda: (slot, offset, length),
            "map_write": lambda: (slot, offset, length, self.count),
            "ftruncate": lambda: (slot, pick.choice([0, offset, offset])),
            "truncate": lambda: (self.path(), pick.choice([0, offset, offset])),
            "fallocate": lambda: (slot, pick.choice([0, KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE,
                                                     ZERO_RANGE, ZERO_RANGE | KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE,
                                                     INSERT_RANGE]), offset, pick.choice([length, length, length, 0])),
            "copy": lambda: (slot, offset, pick.randrange(SLOTS), self.offset(), pick.choice([length, length, 0])),
            "seek": lambda: (slot, offset, pick.choice([DATA, HOLE])),
            "rename": lambda: (self.path(), self.path(), pick.choice([0, 0, 0, NOREPLACE, EXCHANGE, EXCHANGE])),
            "link": lambda: (self.path(), self.path()),
            "symlink": lambda: (pick.choice(NAMES + ["d/a", "e/b", "none"]), self.path()),
            "chmod": lambda: (self.path(), 0o700 | pick.randrange(0o100)),
            "fchmod": lambda: (slot, 0o700 | pick.randrange(0o100)),
            "mkdir": lambda: (pick.choice([path for path in FOLDERS if path] + [self.path()]),),
            "setxattr": lambda: (self.path(), pick.choice(XATTRS), pick.choice([0, 1, 100, 5000]), self.count,
                                 pick.choice([0, 0, os.XATTR_CREATE, os.XATTR_REPLACE])),
            "getxattr": lambda: (self.path(), pick.choice(XATTRS)),
            "removexattr": lambda: (self.path(), pick.choice(XATTRS)),
            "fstat": lambda: (slot,),
            "fsync": lambda: (slot,),
            "pack": lambda: (slot, pick.choice([PACK, PACK, WAKE])),
            "readdir": lambda: (pick.choice(FOLDERS + [self.path()]),),
            "tree": lambda: (),
        }.get(call, lambda: (self.path(),))()
        return (process, call, *arguments)


def data(length, seed):
    """The bytes that a step writes."""
    return random.Random(seed).randbytes(length)
