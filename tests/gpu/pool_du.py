#!/usr/bin/env python3
"""Pool du: what `du` says of a program's directory, beside what NVML says that its process has of the device.

    pool_du.py FOLDER [CASE...]

NVML's figure includes the context, which is no file: that of a process that only makes one, without the pool, measured
before and after, is taken off. The same is done with the device's memory in use, less what it was before: that way also
counts what the driver charges to nobody, or to the mount's server. What modules, and whatever else is the driver's own,
take beside the context isn't taken off: it is printed. On the simulator the device's memory is the mount's.
"""
import ctypes
import importlib.util
import json
import os
import subprocess
import sys

import pool_runs
from pool_runs import GIB, MIB, figure


def wait():
    print("ready", flush=True)
    sys.stdin.readline()


# ---- what is run ----

def hold_context():
    """A context of the first device, by the driver alone."""
    driver = ctypes.CDLL("libcuda.so.1")
    context = ctypes.c_void_p()
    for result in (driver.cuInit(0), driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0),
                   driver.cuCtxSetCurrent(context), driver.cuCtxSynchronize()):
        assert result == 0, result
    wait()


def hold_driver():
    """Blocks of many sizes, by the driver alone: so the simulator can run it as well."""
    driver = ctypes.CDLL("libcuda.so.1")
    context, address = ctypes.c_void_p(), ctypes.c_uint64()
    assert driver.cuInit(0) == 0 and driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert driver.cuCtxSetCurrent(context) == 0
    for size in (200, 30_000, 5 * MIB, 40 * MIB, 160 * MIB):
        for _ in range(4):
            assert driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) == 0
    wait()


def hold_torch():
    """16 GiB in tensors of many sizes, and what cuBLAS and cuDNN need."""
    import torch
    half = torch.bfloat16
    live = [torch.ones(64 * MIB, dtype=half, device="cuda") for _ in range(112)]
    live += [torch.ones(3 * MIB, dtype=half, device="cuda") for _ in range(300)]
    live += [torch.ones(1000 + 7 * index, dtype=half, device="cuda") for index in range(20000)]
    first = torch.ones(4096, 4096, dtype=half, device="cuda")
    live += [first @ first, torch.nn.functional.conv2d(torch.ones(8, 64, 128, 128, dtype=half, device="cuda"),
                                                       torch.ones(64, 64, 3, 3, dtype=half, device="cuda"))]
    torch.cuda.synchronize()
    wait()


def hold_jax():
    import jax
    first = jax.numpy.ones((4096, 4096), "bfloat16")
    (first @ first).block_until_ready()
    wait()


HOLDS = {"context": ("sys", hold_context, {}), "driver": ("sys", hold_driver, {}), "torch": ("torch", hold_torch, {}),
         "torch, expandable segments": ("torch", hold_torch, {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}),
         "torch, cudaMallocAsync": ("torch", hold_torch, {"PYTORCH_CUDA_ALLOC_CONF": "backend:cudaMallocAsync"}),
         "jax": ("jax", hold_jax, {})}


# ---- what is read ----

class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong), ("instance", ctypes.c_uint * 2)]


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Nvml:
    """The first device's figures, in bytes."""

    def __init__(self):
        self._library = ctypes.CDLL("libnvidia-ml.so.1")
        self._device = ctypes.c_void_p()
        self._call("nvmlInit_v2")
        self._call("nvmlDeviceGetHandleByIndex_v2", 0, ctypes.byref(self._device))

    def _call(self, name, *arguments):
        result = getattr(self._library, name)(*arguments)
        if result != 0:
            pool_runs.fail(f"{name}: {result}")

    def of_process(self, pid):
        """None: the driver doesn't know it by this number, as inside a container."""
        count, found = ctypes.c_uint(256), (Process * 256)()
        self._call("nvmlDeviceGetComputeRunningProcesses_v3", self._device, ctypes.byref(count), found)
        used = [each.used for each in found[:count.value] if each.pid == pid]
        return used[0] if used and used[0] < 1 << 62 else None

    def of_device(self):
        memory = Memory()
        self._call("nvmlDeviceGetMemoryInfo", self._device, ctypes.byref(memory))
        return memory.used


class Simulated:
    """There the mount's own figure stands for the device's: a context takes nothing."""

    def __init__(self, mount):
        self._mount = mount

    def of_process(self, _):
        return None

    def of_device(self):
        found = os.statvfs(self._mount)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


def du(folder):
    told = subprocess.run(["du", "--summarize", "--block-size=1", folder], check=True, stdout=subprocess.PIPE).stdout
    return int(told.split()[0])


def measure(nvml, name, folder=None):
    """Bytes that the process has while it holds its memory: by NVML's figure of it, by the device's, and by du."""
    _, _, environment = HOLDS[name]
    before = nvml.of_device()
    run = pool_runs.Run([sys.executable, os.path.abspath(__file__), "--hold", name], folder, environment)
    if not run.wait_for("ready"):
        pool_runs.fail(f"{name}: {run.end().error}")
    told = {"process": nvml.of_process(run.process.pid), "device": nvml.of_device() - before}
    if folder:
        told |= {"du": du(folder), "held": pool_runs.read_pool(folder)["held"]}
    run.process.stdin.write("\n")
    run.process.stdin.flush()
    run.end()
    if run.process.returncode != 0:
        pool_runs.fail(f"{name}: {run.error}")
    if folder and pool_runs.what_is_left(folder):
        pool_runs.fail(f"{name}: files are left")
    return told


def tell(name, told, contexts, way):
    context = sum(each[way] for each in contexts) / len(contexts)
    rest = told[way] - context
    figure(f"{name}: NVML, by {way}", told[way] / MIB, "MiB")
    figure(f"{name}: a context, by {way}", context / MIB, "MiB")
    figure(f"{name}: NVML less the context and du", (rest - told["du"]) / MIB, "MiB")
    figure(f"{name}: du of NVML less the context, away from 1", abs(told["du"] / rest - 1), "", at_most=0.01)


def main():
    if sys.argv[1] == "--hold":
        return HOLDS[sys.argv[2]][1]()
    folder = sys.argv[1]
    is_simulated = bool(os.environ.get("GMEMFS_SIM_MACHINE"))
    nvml = Simulated(os.path.dirname(folder)) if is_simulated else Nvml()
    names = sys.argv[2:] or (["driver"] if is_simulated else list(HOLDS)[1:])
    before = measure(nvml, "context")
    told = {}
    for name in names:
        if importlib.util.find_spec(HOLDS[name][0]) is None:
            print(f"SKIP du of {name}: no {HOLDS[name][0]}")
            continue
        told[name] = measure(nvml, name, folder)
    contexts = [before, measure(nvml, "context")]
    for name, each in told.items():
        figure(f"{name}: du", each["du"] / MIB, "MiB")
        figure(f"{name}: held by the pool, files or not", each["held"] / MIB, "MiB")
        if each["process"] is not None and before["process"] is not None:
            tell(name, each, contexts, "process")
        tell(name, each, contexts, "device")
    print(json.dumps({"largest_gib": max(each["du"] for each in told.values()) / GIB if told else 0}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
