#!/usr/bin/env python3
"""Frameworks: PyTorch, CuPy and JAX on one file, a model that is loaded once and opened by many, and tensors both ways.

    tests/gpu/frameworks.py share MOUNT
    tests/gpu/frameworks.py tensors MOUNT
    tests/gpu/frameworks.py model MOUNT FOLDER [--gib N] [--processes N]

share: each framework maps the same file in a process of its own; what one writes the others see (JAX's arrays can't be
written to: it reads); all memory is back when they have ended.
model: a .safetensors file of N GiB (16) is made in FOLDER, which lies in the host's memory, put into the mount by
`gmemfs cp`, and opened by several processes, one after the other and at once; each tells the time to the first use of
a tensor, beside safetensors.torch.load_file of the same file onto the GPU. tensors: tests/gpu/tensors.py says what.
Prints JSON; exit status 1 where something is wrong.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time

GIB = 1 << 30
TENSORS = 64
GMEMFS = os.environ.get("GMEMFS", "gmemfs")


class Child:
    """A process of this script that carries out one line after the other, and answers each with a line of JSON."""

    def __init__(self, role, *words):
        self.role = role
        self.process = subprocess.Popen([sys.executable, __file__, f"child-{role}", *map(str, words)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"frameworks: the {self.role} process ended with {self.process.wait()}")
        return json.loads(line)

    def send(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def ask(self, *words):
        self.send(*words)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit(f"frameworks: the {self.role} process failed")


def tell(value):
    print(json.dumps(value), flush=True)


def used_memory():
    """Bytes of device memory in use by everybody, as nvidia-smi counts."""
    told = subprocess.run(["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"],
                          check=True, capture_output=True, text=True).stdout
    return int(told) << 20


# ---- one file, three frameworks ----

def share_child(framework, path):
    import gmemfs
    count = os.stat(path).st_size // 4
    if framework == "torch":
        import torch
        torch.cuda.init()
        torch.zeros(1, device="cuda")  # the context, before the mapping
        words = torch.from_dlpack(gmemfs.tensor(path, (count,), "int32"))
        total = lambda: int(words.sum(dtype=torch.int64).item())
        synchronize = torch.cuda.synchronize
    elif framework == "cupy":
        import cupy
        cupy.zeros(1)
        words = cupy.asarray(gmemfs.tensor(path, (count,), "int32"))
        total = lambda: int(words.sum(dtype=cupy.int64))
        synchronize = cupy.cuda.runtime.deviceSynchronize
    else:
        import jax
        jax.config.update("jax_enable_x64", True)
        jax.numpy.zeros(1).block_until_ready()
        words = jax.dlpack.from_dlpack(gmemfs.tensor(path, (count,), "int32"))
        total = lambda: int(jax.jit(lambda x: x.sum(dtype="int64"))(words))
        synchronize = lambda: None
    tell({"elements": int(words.shape[0])})
    for line in sys.stdin:
        command, *values = line.split()
        if command == "fill":
            begin, end, value = map(int, values)
            words[begin:end] = value
            synchronize()
        tell(total())


def share(mount):
    path = os.path.join(mount, "shared")
    with open(path, "wb") as file:
        file.truncate(256 << 20)
    count = (256 << 20) // 4
    before = used_memory()
    children = {name: Child("share", name, path) for name in ("torch", "cupy", "jax")}
    expected = 0
    for step, (writer, value) in enumerate((("torch", 3), ("cupy", 5), ("torch", 7))):
        begin, end = step * count // 4, (step + 1) * count // 4
        expected += (end - begin) * value
        totals = {writer: children[writer].ask("fill", begin, end, value)}
        totals |= {name: child.ask("sum") for name, child in children.items() if name != writer}
        if set(totals.values()) != {expected}:
            sys.exit(f"frameworks: after {writer} wrote, the sums are {totals}, not {expected}")
    with open(path, "r+b") as file:  # the filesystem writes, and all see it
        file.write(bytes(4 * (count // 4)))
    expected -= (count // 4) * 3
    totals = {name: child.ask("sum") for name, child in children.items()}
    if set(totals.values()) != {expected}:
        sys.exit(f"frameworks: after write(2) the sums are {totals}, not {expected}")
    for child in children.values():
        child.end()
    os.unlink(path)
    # The server needs a moment for what it is told by the kernel and by closed connections.
    for _ in range(50):
        left = used_memory() - (before - (256 << 20))
        if left <= 64 << 20:
            break
        time.sleep(0.1)
    else:
        sys.exit(f"frameworks: {left >> 20} MiB of device memory are still in use")
    tell({"frameworks": list(children), "left_mib": left >> 20})


# ---- a model ----

def model_header(size):
    """What a .safetensors file begins with whose TENSORS tensors of bfloat16 have `size` bytes together."""
    each = size // TENSORS
    header, offset = {}, 0
    for index in range(TENSORS):
        header[f"layer.{index}.weight"] = {"dtype": "BF16", "shape": [each // 2 // 4096, 4096],
                                           "data_offsets": [offset, offset + each]}
        offset += each
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 256)
    return len(text).to_bytes(8, "little") + text


def make_model(path, size):
    """TENSORS tensors of bfloat16, with random bytes of which no exponent is all ones."""
    import numpy
    block = numpy.random.default_rng(7).integers(0, 1 << 16, 32 << 20, dtype=numpy.uint16) & 0xBFFF
    with open(path, "wb", buffering=0) as file:
        file.write(model_header(size))
        for _ in range(size // block.nbytes):
            file.write(block)


def model_child(kind, path):
    """Opens the model when it is told to; before, all that any program needs is imported, and the context made."""
    import torch
    torch.zeros(1, device="cuda").sum().item()
    if kind == "gmemfs":
        import gmemfs
        load = lambda: gmemfs.load_safetensors(path, framework="torch", read_only=True)
    else:
        import safetensors.torch
        load = lambda: safetensors.torch.load_file(path, device="cuda:0")
    tell("ready")
    for line in sys.stdin:
        assert line.strip() == "load"
        began = time.perf_counter()
        tensors = load()
        loaded = time.perf_counter()
        first = tensors["layer.0.weight"].float().abs().sum().item()
        used = time.perf_counter()
        last = tensors[f"layer.{TENSORS - 1}.weight"].float().abs().sum().item()
        tell({"load_s": loaded - began, "first_use_s": used - began, "first": first, "last": last})
        del tensors


def timed_copy(source, target):
    told = subprocess.run([GMEMFS, "cp", "--json", source, target], check=True, capture_output=True, text=True)
    return json.loads(told.stdout)


def model(mount, folder, size, processes):
    source, target = os.path.join(folder, "model.safetensors"), os.path.join(mount, "model.safetensors")
    make_model(source, size)
    bench = subprocess.run([GMEMFS, "bench", "--json", "--size", "2G", "--rounds", "5"], check=True,
                           capture_output=True, text=True)
    dma = json.loads(bench.stdout)["gb_per_second"]["host_to_device"]
    copies = []
    for index in range(3):
        copies.append(timed_copy(source, target))
        if index < 2:
            os.unlink(target)
    rate = statistics.median(copy["gb_per_second"] for copy in copies)
    result = {"gib": size / GIB, "pinned_dma": dma, "cp_in": rate, "cp_in_of_dma": rate / dma,
              "cp_all_seconds": statistics.median(copy["all_seconds"] for copy in copies)}
    file = Child("model", "file", source)
    file.ask("load")  # pages of the file, and the allocator of PyTorch, are warm
    by_file = [file.ask("load") for _ in range(3)]
    file.end()
    with contextlib.ExitStack() as stack:
        children = [Child("model", "gmemfs", target) for _ in range(processes)]
        for child in children:
            stack.callback(child.end)
        one_by_one = [child.ask("load") for child in children]
        for child in children:
            child.send("load")
        at_once = [child.answer() for child in children]
    sums = {(told["first"], told["last"]) for told in by_file + one_by_one + at_once}
    if len(sums) != 1:
        sys.exit(f"frameworks: the tensors differ: {sums}")
    seconds = lambda told, what="first_use_s": [round(each[what], 6) for each in told]
    slowest = max(each["first_use_s"] for each in one_by_one[1:] + at_once)
    load_file = statistics.median(each["first_use_s"] for each in by_file)
    result |= {"load_file_s": seconds(by_file), "one_by_one_s": seconds(one_by_one), "at_once_s": seconds(at_once),
               "at_once_load_s": seconds(at_once, "load_s"),  # and the rest is PyTorch's
               "times_faster": load_file / slowest,
               "times_faster_median": load_file / statistics.median(
                   each["first_use_s"] for each in one_by_one[1:] + at_once)}
    os.unlink(source)
    os.unlink(target)
    tell(result)


def main():
    if len(sys.argv) > 1 and sys.argv[1].startswith("child-"):
        return {"child-share": share_child, "child-model": model_child}[sys.argv[1]](*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("share", "model", "tensors"))
    parser.add_argument("mount")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--gib", type=float, default=16)
    parser.add_argument("--processes", type=int, default=4)
    arguments = parser.parse_args()
    if arguments.what == "share":
        return share(arguments.mount)
    if arguments.what == "tensors":
        import tensors
        return tensors.check(arguments.mount)
    return model(arguments.mount, arguments.folder, int(arguments.gib * GIB), arguments.processes)


if __name__ == "__main__":
    main()
