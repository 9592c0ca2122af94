#!/usr/bin/env python3
"""Cold: how long a model takes to be packed where it lies, and to be awake again, beside loading it anew.

    tests/gpu/cold.py MOUNT FOLDER [--gib N] [--rounds N]

A .safetensors file of N GiB (16) of bfloat16 weights, normal random numbers of the scales that layers have, is made in
the mount by PyTorch. Then, ROUNDS times (5): it is packed; woken by itself; packed; and loaded by a process of PyTorch
that is ready, up to the first use of a tensor. Then it goes to host memory and back, as it is and packed. Beside it, in
the same run: the same process loads it while it is awake; `gmemfs cp` of the file from FOLDER (host memory) into the
mount; safetensors' load_file from FOLDER onto the GPU; the bus, by `gmemfs bench`. The digest is the same at the end,
and after each round tensors have the sums that they had. Prints JSON, times in seconds; exit status 1 where something
is wrong.
"""
import argparse
import errno
import fcntl
import json
import os
import statistics
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from frameworks import GIB, GMEMFS, TENSORS, Child, model_header, tell, timed_copy

# client/wire/file_control.hpp
PACK, WAKE, OFFLOAD, OFFLOAD_AS_IT_IS, PACK_BY = (
    3 << 30 | 24 << 16 | ord("g") << 8 | number for number in (5, 6, 7, 8, 9))
CODECS = {"automatic": 0, "own": 1, "ans": 2}
PACKED, IN_HOST = 1, 2


def control(path, command, codec=0):
    """Seconds that the ioctl takes, and what it says: plain bytes, held bytes, where: the sum of PACKED and IN_HOST.

    A process that has told its figures lets go of its tensors a little later: until then the file is busy.
    """
    with open(path, "rb") as file:
        for _ in range(200):
            began = time.perf_counter()
            try:
                told = fcntl.ioctl(file, command, struct.pack("3Q", 0, 0, codec))
                return time.perf_counter() - began, struct.unpack("3Q", told)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
            time.sleep(0.01)
    sys.exit("cold: the file is still mapped")


def make_weights(path, size):
    import gmemfs
    import torch
    each, header = size // TENSORS, model_header(size)
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    torch.manual_seed(7)
    words = torch.from_dlpack(gmemfs.tensor(path, ((len(header) + size) // 2,), "bfloat16"))
    start = len(header) // 2
    for index in range(TENSORS):
        part = words[start + index * each // 2:start + (index + 1) * each // 2]
        part.copy_(torch.randn(part.shape, dtype=torch.float32, device="cuda") * (0.01 + 0.001 * index))
    torch.cuda.synchronize()


def host_rounds(path, process, command, where, rounds):
    """Seconds to host memory; back, alone; and up to the first use of a tensor by a process that is ready."""
    out, back, loads = [], [], []
    for _ in range(rounds):
        seconds, (_, _, is_at) = control(path, command)
        if is_at != where:
            sys.exit(f"cold: the file is at {is_at}, not at {where}")
        out.append(seconds)
        back.append(control(path, WAKE)[0])
        control(path, command)
        loads.append(process.ask("load"))
    return out, back, loads


def codec_rounds(path, rounds):
    """By each codec: seconds to pack the file where it lies, and to wake it, medians; and the ratio."""
    told = {}
    for name, codec in CODECS.items():
        packs, wakes = [], []
        for _ in range(rounds):
            try:
                seconds, (plain, held, _) = control(path, PACK_BY, codec)
            except OSError as error:
                if error.errno != errno.ENOPKG:
                    raise
                break
            packs.append(seconds)
            wakes.append(control(path, WAKE)[0])
        if packs:
            told[name] = {"pack_s": round(statistics.median(packs), 6), "wake_s": round(statistics.median(wakes), 6),
                          "ratio": round(plain / held, 4)}
    return told


def bus_rates():
    """GB/s of pinned DMA, to the device and from it."""
    told = json.loads(subprocess.run([GMEMFS, "bench", "--json"], check=True, capture_output=True, text=True).stdout)
    return told["gb_per_second"]["host_to_device"], told["gb_per_second"]["device_to_host"]


def digest(path):
    return os.getxattr(path, "user.gmemfs.digest").decode()


def run(mount, folder, size, rounds):
    target, source = os.path.join(mount, "cold.safetensors"), os.path.join(folder, "cold.safetensors")
    maker = subprocess.run([sys.executable, __file__, "make", target, str(size)], check=False)
    if maker.returncode != 0:
        sys.exit("cold: the weights couldn't be made")
    whole = digest(target)
    process = Child("model", "gmemfs", target)
    first = process.ask("load")
    packs, wakes, loads, awake = [], [], [], []
    for _ in range(rounds):
        awake.append(process.ask("load"))
        seconds, (plain, held, is_packed) = control(target, PACK)
        if not is_packed:
            sys.exit("cold: the file was kept as it is")
        packs.append(seconds)
        if os.stat(target).st_blocks * 512 != held:
            sys.exit("cold: st_blocks isn't what the packed file holds")
        wakes.append(control(target, WAKE)[0])
        control(target, PACK)
        loads.append(process.ask("load"))
    by_codec = codec_rounds(target, rounds)
    plain_out, plain_back, plain_loads = host_rounds(target, process, OFFLOAD_AS_IT_IS, IN_HOST, rounds)
    packed_out, packed_back, packed_loads = host_rounds(target, process, OFFLOAD, PACKED | IN_HOST, rounds)
    from_host = plain_loads + packed_loads
    if {(each["first"], each["last"]) for each in loads + awake + from_host} != {(first["first"], first["last"])}:
        sys.exit("cold: the tensors have changed")
    process.end()
    control(target, PACK)
    if digest(target) != whole:
        sys.exit("cold: the digest has changed")
    subprocess.run([GMEMFS, "cp", target, source], check=True)
    os.unlink(target)
    copies = [timed_copy(source, target)]
    for _ in range(2):
        os.unlink(target)
        copies.append(timed_copy(source, target))
    if digest(target) != whole:
        sys.exit("cold: what was copied out of the packed file isn't what was in it")
    os.unlink(target)
    file = Child("model", "file", source)
    file.ask("load")
    by_file = [file.ask("load") for _ in range(2)]
    file.end()
    os.unlink(source)
    median = lambda values: round(statistics.median(values), 6)
    to_device, to_host = bus_rates()
    gb_s = lambda values: round(size / median(values) / 1e9, 1)
    tell({"bus_to_host_gb_s": round(to_host, 1), "bus_to_device_gb_s": round(to_device, 1),
          "host_gb_s": gb_s(plain_out), "back_gb_s": gb_s(plain_back), "host_packed_gb_s": gb_s(packed_out),
          "back_packed_gb_s": gb_s(packed_back),
          "host_first_use_s": median(each["first_use_s"] for each in plain_loads),
          "host_packed_first_use_s": median(each["first_use_s"] for each in packed_loads),
          "seconds": {"host": plain_out, "back": plain_back, "host_packed": packed_out, "back_packed": packed_back}})
    tell({"gib": size / GIB, "ratio": round(plain / held, 4), "pack_s": median(packs), "wake_s": median(wakes),
          "pack_gb_s": round(size / median(packs) / 1e9, 1), "wake_gb_s": round(size / median(wakes) / 1e9, 1),
          "packed_load_s": median(each["load_s"] for each in loads),
          "packed_first_use_s": median(each["first_use_s"] for each in loads),
          "awake_load_s": median(each["load_s"] for each in awake),
          "awake_first_use_s": median(each["first_use_s"] for each in awake),
          "cp_in_s": median(copy["all_seconds"] for copy in copies),
          "load_file_s": median(each["first_use_s"] for each in by_file),
          "by_codec": by_codec, "all": {"pack_s": packs, "wake_s": wakes}})


def main():
    if sys.argv[1:2] == ["make"]:
        return make_weights(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mount")
    parser.add_argument("folder")
    parser.add_argument("--gib", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    return run(arguments.mount, arguments.folder, int(arguments.gib * GIB), arguments.rounds)


if __name__ == "__main__":
    main()
