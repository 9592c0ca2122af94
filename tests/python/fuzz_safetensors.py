#!/usr/bin/env python3
"""Fuzz: what gmemfs takes for a .safetensors file, and what the safetensors package (0.8) takes, must be the same.

    .venv/bin/python tests/python/fuzz_safetensors.py [--seed N] [--seconds N]

Files are made of random sound headers and data, most of them spoilt by one to three changes, of the JSON or of the
bytes. For each both readers must give one verdict, and the same tensors and metadata. What either writes, the other
must read. No mount and no device. Prints the seed and the file of the first difference, and exits with 1.
"""
import argparse
import importlib.util
import json
import pathlib
import random
import sys
import tempfile
import time
import types

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "client/python/gmemfs"


def import_header():
    """gmemfs.header without the package around it, which wants the library."""
    package = types.ModuleType("gmemfs")
    package.__path__ = [str(PACKAGE)]
    sys.modules.setdefault("gmemfs", package)
    return importlib.import_module("gmemfs.header")


class Raw(str):
    """Goes into the JSON as it is."""


class Pairs(list):
    """An object that may have a name twice."""


NUMBERS = """-1 -0 0 1 8 1.0 8.0 1e0 8e0 -8 9223372036854775807 9223372036854775808 18446744073709551615
    18446744073709551616 99999999999999999999999 1e400 -1e400 1e-400 0e999 01 1. .5 +1 0x8 NaN Infinity -Infinity
    true""".split() + ["9" * 400]
VALUES = r"""null [] {} "" "F32" [0] [0,0,0] [null] [[0,8]] ["0","8"] {"0":0,"1":8} false 'x' [0,8,] {"a":1,} "\ud800"
    "\udc00\ud800" "\ud83d\ude00" "\u0000" "\/" "\x41" "\u12" // nul""".split() + [
        '"\x00"', '"\t"', '"\x7f\u2028"', "[1 2]", "[" * 130 + "]" * 130, "[" * 3000,
        *("[" * depth + "]" * depth for depth in (124, 125, 126)),
        *('{"a":' * depth + "1" + "}" * depth for depth in (124, 125, 126))]
NAMES = ["a", "b", "c", "layer.0.weight", "", "\u00e9", "\U0001f600", "__metadata__", "__metadata", "dtype", "a\x00",
         "\ufeff"]
TOKENS = [b'"', b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\t", b"\r", b"\x0b", b"\x00", b"\xff",
          b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\\", b"\\u0041", b"-", b"0", b"e5", b"null", b"/**/"]


class Maker:
    def __init__(self, dtypes, seed):
        self.dtypes, self.random = dtypes, random.Random(seed)

    def entry_of(self, begin):
        pick = self.random
        dtype = pick.choice(list(self.dtypes.values()))
        bits = dtype.bits // dtype.values
        shape = [pick.choice([0, 1, 2, 3, 4, 8]) for _ in range(pick.randrange(4))]
        count = 1
        for length in shape:
            count *= length
        while count * bits % 8:
            shape, count = [*shape, 4], count * 4
        end = begin + count * bits // 8
        return Pairs([("dtype", dtype.safetensors), ("shape", shape), ("data_offsets", [begin, end])]), end

    def sound(self):
        pick, end, header = self.random, 0, Pairs()
        for name in pick.sample([name for name in NAMES if name != "__metadata__"], pick.randrange(4)):
            entry, end = self.entry_of(end)
            pick.shuffle(entry)
            header.append((name, entry))
        if pick.random() < 0.4:
            metadata = pick.choice([[], [("a", "1")], [("k", "v"), ("\u00e9", "")]])
            header.append(("__metadata__", Pairs(metadata)))
        pick.shuffle(header)
        return header, end

    def odd(self):
        return Raw(self.random.choice(NUMBERS + VALUES))

    def change(self, header):
        """Of the JSON."""
        pick = self.random
        if not header:
            header.append((pick.choice(NAMES), self.odd()))
            return
        index = pick.randrange(len(header))
        name, value = header[index]
        what = pick.randrange(8)
        if what == 0:
            header.append(header[index])
        elif what == 1:
            header[index] = (pick.choice(NAMES), value)
        elif what == 2:
            header[index] = (name, self.odd())
        elif what == 3:
            header.append((pick.choice(NAMES), self.entry_of(pick.randrange(9))[0]))
        elif isinstance(value, Pairs) and value:
            inner = pick.randrange(len(value))
            field, content = value[inner]
            change = pick.randrange(6)
            copy = Pairs(value)
            if change == 0:
                copy[inner] = (field, self.odd())
            elif change == 1:
                copy.pop(inner)
            elif change == 2:
                copy.append((pick.choice([field, "x", "shape"]), pick.choice([content, self.odd()])))
            elif change == 3:
                copy.append(("x", self.odd()))
            elif isinstance(content, list) and content:
                content = list(content)
                place = pick.randrange(len(content))
                number = pick.randrange(2) or isinstance(content[place], str)
                content[place] = Raw(pick.choice(NUMBERS)) if number else content[place] + pick.choice([-8, -1, 1, 8])
                copy[inner] = (field, content)
            else:
                copy[inner] = (field, pick.choice(["F32", "f32", "F4", "U8", "F8_E4M3", "BF16", ""]))
            header[index] = (name, copy)

    def text(self, value):
        pick = self.random
        space = lambda: pick.choice(["", "", "", "", "", "", "", " ", "\n\t "])
        if isinstance(value, Raw):
            return str(value)
        if isinstance(value, Pairs):
            pairs = (f"{space()}{self.text(name)}{space()}:{self.text(item)}" for name, item in value)
            return "{" + ",".join(pairs) + "}"
        if isinstance(value, list):
            return "[" + ",".join(space() + self.text(item) for item in value) + "]"
        return json.dumps(value, ensure_ascii=pick.random() < 0.5)

    def file(self):
        pick = self.random
        header, size = self.sound()
        changes = pick.choice([0, 1, 1, 1, 2, 3])
        of_bytes = [pick.random() < 0.35 for _ in range(changes)]
        for is_of_bytes in of_bytes:
            if not is_of_bytes:
                self.change(header)
        raw, data = bytearray(self.text(header).encode("utf-8", "surrogatepass")), bytearray(pick.randbytes(size))
        raw += b" " * pick.choice([0, 0, 0, 1, 7])
        prefix = 0
        for is_of_bytes in of_bytes:
            if is_of_bytes:
                prefix += self.change_bytes(raw, data)
        return (max(0, len(raw) + prefix) % (1 << 64)).to_bytes(8, "little") + bytes(raw) + bytes(data)

    def change_bytes(self, raw, data):
        pick = self.random
        what, place = pick.randrange(7), pick.randrange(len(raw) + 1)
        if what == 0:
            raw[place:place] = pick.choice(TOKENS)
        elif what == 1:
            del raw[place:place + pick.choice([1, 1, 2, 9])]
        elif what == 2 and place < len(raw):
            raw[place] = pick.randrange(256)
        elif what == 3:
            data += bytes(pick.choice([1, 8]))
        elif what == 4:
            del data[-pick.choice([1, 8]):]
        elif what == 5:
            return pick.choice([-8, -1, 1, 8, 1 << 20, 100_000_000, (1 << 63) - 1, 1 << 63])
        else:
            raw[place:place] = pick.choice(TOKENS) * 2
        return 0


def read_ours(header, raw):
    try:
        length = header.length_of(raw[:8], len(raw))
        found = header.parse(raw[8:8 + length], len(raw) - 8 - length)
    except ValueError as error:
        return str(error), None
    tensors = {name: (entry.dtype.safetensors, list(entry.shape), raw[found.data + entry.begin:found.data + entry.end])
               for name, entry in found.tensors.items()}
    return None, (tensors, found.metadata)


def read_theirs(safetensors, folder, raw):
    try:
        told = safetensors.deserialize(raw)
    except safetensors.SafetensorError as error:
        return str(error), None
    tensors = {name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in told}
    if b"metadata" not in raw and b"\\u" not in raw:
        return None, (tensors, {})
    path = pathlib.Path(folder, "file")  # deserialize() keeps the metadata to itself
    path.write_bytes(raw)
    with safetensors.safe_open(path, framework="np") as opened:
        return None, (tensors, opened.metadata() or {})


def write_ours(header, maker):
    """A sound file of ours, its tensors and its metadata."""
    pick = maker.random
    wanted, end = {}, 0
    for name in pick.sample([name for name in NAMES if name != "__metadata__"], pick.randrange(5)):
        dtype = pick.choice(list(maker.dtypes.values()))
        shape = tuple(pick.choice([0, 1, 2, 4]) for _ in range(pick.randrange(3))) + (4,)
        size = dtype.bits // 2  # of the four
        for length in shape[:-1]:
            size *= length
        wanted[name] = (dtype, shape, size)
    metadata = pick.choice([None, {}, {"a": "\u00e9\x00\""}])
    start, offsets = header.make(wanted, metadata, 256)
    data = bytearray(start)
    for name, (_, _, size) in wanted.items():
        assert offsets[name] == len(data)
        data += pick.randbytes(size)
    stored = lambda name, size: bytes(data[offsets[name]:offsets[name] + size])
    tensors = {name: (dtype.safetensors, list(dtype.header_shape(shape)), stored(name, size))
               for name, (dtype, shape, size) in wanted.items()}
    return bytes(data), (tensors, metadata or {})


def fuzz(seed, count=None, seconds=None):
    """How many files there were, and how many of them both took; an AssertionError at the first difference."""
    import safetensors
    header = import_header()
    maker = Maker(header.BY_SAFETENSORS, seed)
    ended = time.monotonic() + (seconds or 1e9)
    files = taken = 0
    with tempfile.TemporaryDirectory() as folder:
        while files < (count or 1e18) and time.monotonic() < ended:
            files += 1
            is_sound = files % 10 == 0
            raw, wanted = write_ours(header, maker) if is_sound else (maker.file(), None)
            ours, theirs = read_ours(header, raw), read_theirs(safetensors, folder, raw)
            where = f"seed {seed}, file {files}: {raw!r}: gmemfs: {ours}; safetensors: {theirs}"
            assert (ours[0] is None) == (theirs[0] is None), where
            assert ours[1] == theirs[1], where
            assert not is_sound or ours[1] == wanted, where
            taken += ours[0] is None
    return files, taken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=600)
    arguments = parser.parse_args()
    print(f"fuzz_safetensors: seed {arguments.seed}", flush=True)
    try:
        files, taken = fuzz(arguments.seed, seconds=arguments.seconds)
    except AssertionError as error:
        sys.exit(f"fuzz_safetensors: {error}")
    print(f"fuzz_safetensors: {files} files, {taken} sound: no difference")


if __name__ == "__main__":
    main()
