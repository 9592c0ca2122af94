#!/usr/bin/env python3
"""Pool cases: frameworks compute the same under `gmemfs run` as without it, and leave nothing in the mount.

    pool_cases.py FOLDER [CASE...]       FOLDER: in a mount; all cases where none is named
    pool_cases.py --work CASE            what a case is: prints its results as JSON

Sums of whole numbers must be equal to the bit; what an algorithm may round otherwise, to one part in a thousand. Each
case runs in two processes, one after the other; those that leave most of the device alone run four at a time.
"""
import concurrent.futures
import importlib.util
import json
import os
import random
import shutil
import sys
import time
from typing import NamedTuple

import pool_runs


# ---- PyTorch ----

def whole_numbers(torch, *shape):
    return torch.randint(-3, 4, shape, device="cuda").float()


def sum_of(torch, tensor):
    """Of whole numbers, each counted by its place."""
    flat = tensor.flatten().long()
    return int((flat * (torch.arange(flat.numel(), device=flat.device) % 1009)).sum())


def churn(torch):
    """Blocks of many sizes on two streams, whose sums are known, while others are freed."""
    chance, sums, wanted, live = random.Random(2), [], [], []
    streams = [torch.cuda.Stream() for _ in range(2)]
    for number in range(400):
        count = int(2 ** chance.uniform(8, 24))
        with torch.cuda.stream(streams[number % 2]):
            block = torch.full((count,), float(number % 64), device="cuda")
            sums.append(block.sum(dtype=torch.float64))
        wanted.append(float(number % 64) * count)
        live.append(block)
        del block
        if len(live) > 20:
            live.pop(chance.randrange(len(live)))
        if number % 50 == 49:
            torch.cuda.empty_cache()
    torch.cuda.synchronize()
    found = [total.item() for total in sums]
    assert found == wanted, "a block was used again too early"
    return [sum(found)]


def learn(torch):
    """The losses of a small network. How much memory is free may decide which algorithm cuDNN takes: in float32."""
    torch.manual_seed(3)
    torch.backends.cudnn.allow_tf32 = False
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                                 torch.nn.Linear(32 * 30 * 30, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)).cuda()
    optimizer = torch.optim.SGD(layers.parameters(), lr=1e-2)
    inputs, classes = torch.randn(64, 3, 32, 32, device="cuda"), torch.randint(0, 10, (64,), device="cuda")
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(layers(inputs), classes)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
    return losses


def replay(torch):
    """A graph that allocates inside, captured once and replayed."""
    first, second = whole_numbers(torch, 512, 512), whole_numbers(torch, 512, 512)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        (first @ second).relu()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        product = (first @ second).relu() + first
    sums = []
    for _ in range(5):
        first.copy_(whole_numbers(torch, 512, 512))
        graph.replay()
        sums.append(sum_of(torch, product))
        assert torch.equal(product, (first @ second).relu() + first)
    return sums


def work_torch():
    import torch
    torch.manual_seed(1)
    exact = [sum_of(torch, whole_numbers(torch, 2048, 1024) @ whole_numbers(torch, 1024, 4096))]
    large = whole_numbers(torch, 16 << 20)  # 64 MiB, an extent of its own
    exact += [sum_of(torch, large), *churn(torch), *replay(torch)]
    images = torch.nn.functional.conv2d(whole_numbers(torch, 8, 16, 64, 64), whole_numbers(torch, 32, 16, 3, 3))
    return exact, [images.abs().sum(dtype=torch.float64).item(), *learn(torch)]


def work_mempool():
    import torch
    torch.manual_seed(1)
    pool = torch.cuda.MemPool()
    with torch.cuda.use_mem_pool(pool):
        inside = whole_numbers(torch, 24 << 20)
        small = [whole_numbers(torch, 1000 + index) for index in range(50)]
    outside = whole_numbers(torch, 1 << 20)
    exact = [sum_of(torch, inside), sum_of(torch, outside), *(sum_of(torch, each) for each in small)]
    del inside, small
    with torch.cuda.use_mem_pool(pool):
        exact.append(sum_of(torch, whole_numbers(torch, 24 << 20)))
    del pool
    torch.cuda.empty_cache()
    return exact, []


def work_triton():
    """The kernel is in triton_kernel.py."""
    import torch
    import triton_kernel
    torch.manual_seed(1)
    first, second = whole_numbers(torch, 1 << 22), whole_numbers(torch, 1 << 22)
    total = triton_kernel.add(torch, first, second)
    assert torch.equal(total, first + second)
    return [sum_of(torch, total)], []


def reduce_by_nccl(rank, count, port):
    import torch
    import torch.distributed
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(count))
    torch.cuda.set_device(rank)
    torch.distributed.init_process_group("nccl", device_id=torch.device("cuda", rank))
    sums = []
    for size in (1000, 1 << 20, 24 << 20):
        values = (torch.arange(size, device="cuda") % 1000 + rank).float()
        torch.distributed.all_reduce(values)
        wanted = count * (torch.arange(size, device="cuda") % 1000).float() + count * (count - 1) / 2
        assert torch.equal(values, wanted), size
        sums.append(sum_of(torch, values))
    torch.distributed.destroy_process_group()
    return sums, []


def work_nccl_alone():
    return reduce_by_nccl(0, 1, 29400 + os.getpid() % 500)


def work_nccl_pair():
    """This process starts the other one, which is in a pool of its own where this one is in one."""
    import subprocess
    port = 29900 + os.getpid() % 500
    other = subprocess.Popen([sys.executable, __file__, "--rank", "1", "2", str(port)], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    sums = reduce_by_nccl(0, 2, port)
    said = other.communicate()[0]
    assert other.returncode == 0, f"the other rank: exit status {other.returncode}: {said[-600:]}"
    return sums


# ---- others ----

def work_jax():
    import jax
    import numpy
    chance = numpy.random.default_rng(1)
    first, second = (jax.numpy.asarray(chance.integers(-3, 4, (2048, 2048)), "float32") for _ in range(2))
    exact = [float(jax.jit(lambda a, b: (a @ b)[::7, ::5].astype("int32").sum())(first, second))]
    for number in range(40):
        block = jax.numpy.full((1 << 20) * (1 + number % 9), float(number % 8))
        exact.append(float(block.max()) * block.size)
        del block
    step = jax.jit(jax.grad(lambda w, x: jax.numpy.tanh(x @ w).sum()))
    weights = jax.numpy.asarray(chance.standard_normal((512, 512)), "float32")
    for _ in range(5):
        weights = weights - 1e-3 * step(weights, first[:, :512])
    return exact, [float(jax.numpy.abs(weights).sum())]


def work_cupy():
    import cupy
    exact = []
    for allocator in (None, cupy.cuda.MemoryAsyncPool().malloc):
        if allocator is not None:
            cupy.cuda.set_allocator(allocator)
        first = (cupy.arange(1 << 22) % 7 - 3).reshape(2048, 2048).astype("float32")
        exact.append(int((first @ first.T).sum(dtype="float64")))
        for number in range(100):
            block = cupy.full((1 << 18) * (1 + number % 40), number, dtype="float32")
            assert float(block.sum(dtype="float64")) == number * block.size
        exact.append(int(cupy.sort(first.ravel())[::1009].sum()))
        del first, block
    return exact, []


def work_numba():
    import numpy
    if not hasattr(numpy, "row_stack"):  # which numba-cuda asks for, and NumPy 2.5 has no longer
        numpy.row_stack = numpy.vstack
    from numba import cuda
    exact = []
    for number in range(50):
        block = cuda.to_device(numpy.full((1 << 16) * (1 + number), number, dtype=numpy.float32))
        exact.append(float(block.copy_to_host().sum(dtype=numpy.float64)))
    try:
        from numba.cuda.cudadrv import nvvm
        nvvm.NVVM()
    except Exception as error:  # pylint: disable=broad-except  # it is no part of the driver, and may be missing
        print(f"numba without a kernel: {error}", flush=True)
        return exact, []

    @cuda.jit
    def double(values):
        place = cuda.grid(1)
        values[place] = 2 * values[place]
    double[64, 128](block)
    return [*exact, float(block.copy_to_host()[:64 * 128].sum())], []


def work_bindings():
    """NVIDIA's own bindings, without kernels: so the simulator can run it as well."""
    from cuda.bindings import driver

    def done(answer):
        assert answer[0] == 0, answer
        return answer[1] if len(answer) == 2 else answer[1:]
    done(driver.cuInit(0))
    done(driver.cuCtxSetCurrent(done(driver.cuDevicePrimaryCtxRetain(done(driver.cuDeviceGet(0))))))
    exact = []
    for number in range(20):
        size = 100_000 * (1 + number)
        address = done(driver.cuMemAllocAsync(size, 0) if number % 2 else driver.cuMemAlloc(size))
        done(driver.cuMemsetD8(address, number, size))
        seen = bytearray(size)
        done(driver.cuMemcpyDtoH(seen, address, size))
        exact.append(sum(seen))
        assert exact[-1] == number * size
        done(driver.cuMemFreeAsync(address, 0) if number % 2 else driver.cuMemFree(address))
    return exact, []


class Case(NamedTuple):
    module: str
    work: object
    environment: dict = {}
    takes_most: bool = False  # of the device


CASES = {
    "bindings": Case("cuda.bindings", work_bindings),
    "torch": Case("torch", work_torch),
    "torch, expandable segments": Case("torch", work_torch, {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}),
    "torch, cudaMallocAsync": Case("torch", work_torch, {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}),
    "torch, MemPool": Case("torch", work_mempool),
    "triton": Case("triton", work_triton),
    "nccl, one rank": Case("torch", work_nccl_alone),
    "nccl, two ranks": Case("torch", work_nccl_pair),
    "cupy": Case("cupy", work_cupy),
    "numba": Case("numba", work_numba),
    "jax, no preallocation": Case("jax", work_jax, {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
    "jax": Case("jax", work_jax, {}, True),
    "jax, cuda_async": Case("jax", work_jax, {"XLA_PYTHON_CLIENT_ALLOCATOR": "cuda_async"}, True)}


def why_not(name):
    """Why a case can't be here; empty: it can."""
    module = CASES[name].module
    try:
        is_there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        return f"no {module}"
    if name == "triton" and not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        return "triton compiles its launcher, and there is no C compiler"
    if name == "nccl, two ranks":
        import torch
        count = torch.cuda.device_count()
        if count < 2:
            return f"NCCL refuses two ranks on one device, and there is {count}"
    return ""


def same(name, plain, pooled):
    """What differs; empty: nothing."""
    if plain["exact"] != pooled["exact"]:
        return f"{name}: {pooled['exact']} under gmemfs run, not {plain['exact']}"
    for number, wanted in zip(pooled["near"], plain["near"]):
        if not abs(number - wanted) <= abs(wanted) / 1000:
            return f"{name}: {pooled['near']} under gmemfs run, not {plain['near']}"
    return "" if len(plain["near"]) == len(pooled["near"]) else f"{name}: another number of results"


def check_case(folder, name):
    """What is wrong; empty: nothing."""
    skipped = why_not(name)
    if skipped:
        print(f"SKIP {name}: {skipped}", flush=True)
        return ""
    command = [sys.executable, __file__, "--work", name]
    own = os.path.join(folder, f"case-{list(CASES).index(name)}")
    times, told = [], []
    for place in (None, own):
        began = time.monotonic()
        run = pool_runs.Run(command, place, CASES[name].environment).end()
        times.append(time.monotonic() - began)
        told.append(run.told)
        if run.told is None:
            return f"{name} {'under gmemfs run' if place else 'without gmemfs run'}: {run.error}"
    wrong = same(name, *told)
    if wrong:
        return wrong
    if not told[1]["held"] and not told[1]["taken"]:
        return f"{name}: no memory of it was in the pool"
    left = pool_runs.what_is_left(own)
    if left:
        return f"{name}: files are left: {left}"
    print(f"CASE {name}: the same {len(told[0]['exact']) + len(told[0]['near'])} results, pool held "
          f"{told[1]['held'] >> 20} MiB, nothing left ({times[0]:.1f} s, under gmemfs run {times[1]:.1f})", flush=True)
    return ""


def do_work(name):
    exact, near = CASES[name].work()
    folder = os.environ.get("GMEMFS_POOL_DIR")
    told = pool_runs.read_pool(folder) if folder else None
    held, taken = (told["held"], told["allocations"]) if told else (0, 0)
    print(json.dumps({"exact": exact, "near": near, "held": held, "taken": taken}), flush=True)


def main():
    if sys.argv[1] == "--work":
        return do_work(sys.argv[2])
    if sys.argv[1] == "--rank":
        reduce_by_nccl(*map(int, sys.argv[2:5]))
        return 0
    folder, names = sys.argv[1], sys.argv[2:] or list(CASES)
    os.makedirs(folder, exist_ok=True)
    wrong = []
    with concurrent.futures.ThreadPoolExecutor(4) as side_by_side:
        some = [name for name in names if not CASES[name].takes_most]
        wrong += side_by_side.map(lambda name: check_case(folder, name), some)
    wrong += [check_case(folder, name) for name in names if CASES[name].takes_most]
    wrong = [each for each in wrong if each]
    for each in wrong:
        print(f"FAIL {each}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
