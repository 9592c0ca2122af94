"""Pool: a framework under `gmemfs run`: right results, its memory in files, and none of it left afterwards.

    pool.py GMEMFS DIR NAME      NAME: torch, torch-shared, cupy, jax or numba; exit status 77 where it isn't there

The process that is run multiplies matrices whose product is known, allocates and frees in a loop with kernels under way
(what is used again too early shows as a wrong sum), and says what its directory holds.
"""
import importlib.util
import json
import os
import subprocess
import sys
import time

SIZE = 4096
ROUNDS = 200


def multiply_torch():
    import torch
    ones = torch.ones(SIZE, SIZE, device="cuda", dtype=torch.bfloat16)
    assert (ones @ ones == SIZE).all()
    for number in range(ROUNDS):
        block = torch.full((SIZE, SIZE), float(number), device="cuda")
        half = torch.full((SIZE // 2, SIZE), float(number), device="cuda")
        assert block.sum().item() == number * SIZE * SIZE
        assert half.sum().item() == number * SIZE * SIZE // 2
        del block, half
        if number % 20 == 0:
            torch.cuda.empty_cache()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        product = ones @ ones
    graph.replay()
    assert (product == SIZE).all()


def send_tensors(queue, done):
    import torch
    tensors = [torch.full((size,), float(size), device="cuda") for size in (1000, 1 << 20, 64 << 20)]
    queue.put(tensors)
    done.wait()
    assert all((tensor == len(tensor) + 1).all() for tensor in tensors), "what the other process wrote isn't here"
    queue.put("seen")
    time.sleep(600)  # it is killed, with its tensors


def share_torch():
    import torch
    import torch.multiprocessing
    context = torch.multiprocessing.get_context("spawn")
    queue, done = context.Queue(), context.Event()
    process = context.Process(target=send_tensors, args=(queue, done))
    process.start()
    tensors = queue.get(timeout=120)
    for tensor in tensors:
        assert (tensor == len(tensor)).all(), "another process's tensor has other values here"
        tensor.add_(1)
    torch.cuda.synchronize()
    done.set()
    assert queue.get(timeout=120) == "seen"
    process.kill()
    process.join()
    assert all((tensor == len(tensor) + 1).all() for tensor in tensors), "its tensors went with their process"
    del tensors[:]
    torch.ones(1000, device="cuda")


def multiply_cupy():
    import cupy
    ones = cupy.ones((SIZE, SIZE), dtype=cupy.float32)
    assert (ones @ ones == SIZE).all()
    for number in range(ROUNDS):
        block = cupy.full((SIZE, SIZE), number, dtype=cupy.float32)
        assert float(block.sum()) == number * SIZE * SIZE
        del block
        if number % 20 == 0:
            cupy.get_default_memory_pool().free_all_blocks()


def multiply_jax():
    import jax.numpy
    ones = jax.numpy.ones((SIZE, SIZE), dtype=jax.numpy.float32)
    assert (jax.numpy.matmul(ones, ones) == SIZE).all()


def multiply_numba():
    import numpy
    from numba import cuda
    for number in range(ROUNDS):
        block = cuda.to_device(numpy.full((1024, 1024), number, dtype=numpy.float32))
        assert (block.copy_to_host() == number).all()


def child(name, folder):
    {"torch": multiply_torch, "torch-shared": share_torch, "cupy": multiply_cupy, "jax": multiply_jax,
     "numba": multiply_numba}[name]()
    own = [entry.path for entry in os.scandir(folder) if entry.name.endswith(f".{os.getpid()}")]
    files = {entry.name: entry.stat().st_size for path in own for entry in os.scandir(path)}
    assert files, "its memory is in no file"
    told = json.loads(subprocess.run([os.environ["GMEMFS"], "pool", "stat", "--json", own[0]], check=True,
                                     stdout=subprocess.PIPE).stdout)[0]
    assert told["unlisted"] == 0 and sum(files.values()) == told["bytes"], (files, told)
    print(json.dumps({"framework": name, "files": len(files), **told}))


def main():
    gmemfs, folder, name = sys.argv[1:4]
    if len(sys.argv) == 5:
        return child(name, folder)
    if importlib.util.find_spec(name.split("-")[0]) is None:
        print(f"skip: no {name}")
        return 77
    # What is started inside, to look at the figures, needs no pool of its own.
    done = subprocess.run([gmemfs, "run", "--pool", folder, sys.executable, __file__, gmemfs, folder, name, "child"],
                          env={**os.environ, "GMEMFS": gmemfs}, check=False)
    for _ in range(100):
        if not os.listdir(folder):
            return done.returncode
        time.sleep(0.1)  # the server removes files when it is told of the process's end
    print("files are left:", os.listdir(folder))
    return 1


if __name__ == "__main__":
    sys.exit(main())
