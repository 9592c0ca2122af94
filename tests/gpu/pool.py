"""Pool: a framework under `gmemfs run`: right results, its memory in files, and none of it left afterwards.

    pool.py GMEMFS DIR NAME      NAME: torch, torch-shared, cupy, jax or numba; exit status 77 where it isn't there;
                                 limit: NVML and the driver tell of the same memory

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
LIMIT = 4 << 30  # bytes


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


def compare_limits():
    import ctypes
    nvml, driver = ctypes.CDLL("libnvidia-ml.so.1"), ctypes.CDLL("libcuda.so.1")
    device, context, address = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint64()
    told = (ctypes.c_ulonglong * 3)()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    assert nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) == 0
    assert driver.cuInit(0) == 0 and driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert driver.cuCtxSetCurrent(context) == 0
    for size in (1000, 1 << 30):
        assert driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) == 0
        assert driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
        assert nvml.nvmlDeviceGetMemoryInfo(device, told) == 0  # total, free, used
        assert (told[0], told[1]) == (total.value, free.value) and total.value == LIMIT, (list(told), free, total)


def child(name, folder):
    {"limit": compare_limits, "torch": multiply_torch, "torch-shared": share_torch, "cupy": multiply_cupy,
     "jax": multiply_jax, "numba": multiply_numba}[name]()
    own = [entry.path for entry in os.scandir(folder) if entry.name.endswith(f".{os.getpid()}")]
    files = {entry.name: entry.stat().st_size for path in own for entry in os.scandir(path)}
    assert files, "its memory is in no file"
    told = json.loads(subprocess.run([os.environ["GMEMFS"], "pool", "stat", "--json", "--context", own[0]], check=True,
                                     stdout=subprocess.PIPE).stdout)[0]
    assert told["unlisted"] == 0 and sum(files.values()) == told["bytes"], (files, told)
    print(json.dumps({"framework": name, "files": len(files), **told}))


def main():
    gmemfs, folder, name = sys.argv[1:4]
    if len(sys.argv) == 5:
        return child(name, folder)
    if name != "limit" and importlib.util.find_spec(name.split("-")[0]) is None:
        print(f"skip: no {name}")
        return 77
    # What is started inside, to look at the figures, needs no pool of its own.
    limited = ["--limit", str(LIMIT)] if name == "limit" else []
    done = subprocess.run([gmemfs, "run", "--pool", folder, *limited, sys.executable, __file__, gmemfs, folder, name,
                           "child"],
                          env={**os.environ, "GMEMFS": gmemfs}, check=False)
    for _ in range(100):
        if not os.listdir(folder):
            return done.returncode
        time.sleep(0.1)  # the server removes files when it is told of the process's end
    print("files are left:", os.listdir(folder))
    return 1


if __name__ == "__main__":
    sys.exit(main())
