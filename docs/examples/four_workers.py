#!/usr/bin/env python3
"""Four workers: a model is put into device memory once, and four processes use it there, with no copy.

    docs/examples/four_workers.py /mnt/gpu

Needs cuda.bindings and NumPy; with PyTorch a worker would be load_safetensors(path, framework="torch") and no more.
"""
import multiprocessing
import sys
import time

import gmemfs
import numpy
from cuda.bindings import driver


def checked(result):
    code, *values = result
    if code != driver.CUresult.CUDA_SUCCESS:
        sys.exit(f"the driver says {code.name}")
    return values[0] if values else None


def make_context():
    checked(driver.cuInit(0))
    checked(driver.cuCtxSetCurrent(checked(driver.cuDevicePrimaryCtxRetain(0))))


def work(path, number, sums):
    make_context()
    start = time.perf_counter()
    tensors = gmemfs.load_safetensors(path, read_only=True)
    took_ms = 1000 * (time.perf_counter() - start)
    layer = tensors[f"layer{number}"]
    host = numpy.empty(layer.shape, layer.dtype)
    checked(driver.cuMemcpyDtoH(host.ctypes.data, layer.address, layer.nbytes))
    print(f"worker {number}: {len(tensors)} tensors in {took_ms:.1f} ms, sum of its layer {host.sum():.3f}", flush=True)
    sums.put((number, float(host.sum())))


def main():
    path = f"{sys.argv[1]}/model.safetensors"
    layers = {f"layer{number}": numpy.random.default_rng(number).random((512, 512), "float32") for number in range(4)}
    gmemfs.save_safetensors(layers, path)
    processes = multiprocessing.get_context("spawn")  # never fork a process that uses CUDA
    sums = processes.Queue()
    workers = [processes.Process(target=work, args=(path, number, sums)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = dict(sums.get() for worker in workers if worker.exitcode == 0)
    wanted = {number: float(layers[f"layer{number}"].sum()) for number in range(4)}
    sys.exit(0 if found == wanted else "a worker failed, or saw other bytes")


if __name__ == "__main__":
    main()
