#!/usr/bin/env python3
"""Peer that damages: turns all bits of some bytes of a file's device memory, as a fault would, from another process.

    tests/gpu/peer_flips.py PATH OFFSET COUNT

COUNT bytes, 1 KiB apart, the first at OFFSET: as many wrong symbols in each of 8 codewords. The file is sealed after
the memory was mapped and before the first byte turns, so that its parity counts.
"""
import os
import sys

import numpy

from peer_bindings import MappedFile

ROW = 1024  # bytes; each holds a symbol of every codeword of its block


def main():
    path, offset, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    mapped = MappedFile(path)
    file = os.open(path, os.O_RDWR)
    os.fsync(file)
    os.close(file)
    state = os.getxattr(path, "user.gmemfs.ecc").decode()
    if state != "current":
        sys.exit(f"peer: {path}: parity is {state} after fsync")
    for index in range(count):
        place = offset + index * ROW
        mapped.write(numpy.bitwise_not(mapped.read(1, place)), place)
    mapped.close()


if __name__ == "__main__":
    main()
