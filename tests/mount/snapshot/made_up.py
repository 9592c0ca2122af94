#!/usr/bin/env python3
"""Makes a snapshot whose images are changed, with all checksums of the snapshot as they must be.

    made_up.py SNAPSHOT TARGET KIND

KIND says what is done to the image of the first file that has one: header, table, chunk, size (the index says another
size of the file), short (a shorter image), bytes (an image of nothing: random bytes).
"""
import random
import struct
import sys
import zlib

HEAD = 8


def records(data):
    """Each record's body, and what follows it."""
    at = HEAD
    while at < len(data):
        length, = struct.unpack_from("<I", data, at)
        body = bytearray(data[at + 8:at + 8 + length])
        at += 8 + length
        stored = struct.unpack_from("<I", body, 17)[0] if body[0] == 3 else 0
        yield body, bytearray(data[at:at + stored])
        at += stored


def change(image, kind):
    if kind == "header":
        image[9] ^= 1
    elif kind == "table":
        image[64 + 5] ^= 1
    elif kind == "chunk":
        image[len(image) // 2] ^= 1
    elif kind == "bytes":
        image[:] = random.Random(1).randbytes(len(image))
    return image


def main():
    source, target, kind = sys.argv[1:]
    data = open(source, "rb").read()
    all_records = list(records(data))
    entry, size = next(struct.unpack_from("<IQ", body, 1) for body, _ in all_records if body[0] == 6)
    image = bytearray(size)
    for body, stored in all_records:
        if body[0] == 3 and struct.unpack_from("<I", body, 1)[0] == entry:
            at, = struct.unpack_from("<Q", body, 5)
            image[at:at + len(stored)] = stored
    change(image, kind)
    out, checksums, index = bytearray(data[:HEAD]), 0, 0
    for body, stored in all_records:
        if body[0] == 3 and struct.unpack_from("<I", body, 1)[0] == entry:
            at, length = struct.unpack_from("<QI", body, 5)
            stored = image[at:at + length]
            if kind == "short" and at + length == size:
                stored = stored[:-64]
            struct.pack_into("<III", body, 13, len(stored), len(stored), zlib.crc32(stored))
        if body[0] == 6 and kind == "short" and struct.unpack_from("<I", body, 1)[0] == entry:
            struct.pack_into("<Q", body, 5, size - 64)
        if body[0] == 1 and kind == "size":
            struct.pack_into("<Q", body, 13, struct.unpack_from("<Q", body, 13)[0] + 1)
        if body[0] == 2:
            if index == entry and kind == "size":
                name, = struct.unpack_from("<I", body, 9)
                at = 13 + name + 4 * 3 + 8
                struct.pack_into("<Q", body, at, struct.unpack_from("<Q", body, at)[0] + 1)
            index += 1
        if body[0] == 4:
            total = sum(len(kept) for _, kept in all_records) - (64 if kind == "short" else 0)
            struct.pack_into("<QI", body, 9, total, checksums)
        checksum = zlib.crc32(body)
        checksums = zlib.crc32(struct.pack("<I", checksum), checksums)
        out += struct.pack("<II", len(body), checksum) + body + stored
    open(target, "wb").write(out)


if __name__ == "__main__":
    main()
