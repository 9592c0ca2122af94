#!/usr/bin/env python3
"""Tensors: what PyTorch, CuPy and JAX have on a device is saved as it is, and comes back so, or is refused.

    tests/gpu/frameworks.py tensors MOUNT      a process each; the first thing that is wrong ends it with exit status 1

Every type both ways, beside safetensors' own reader and writer; layouts; what a stream still makes; addresses that JAX
can't compute with; memory of a second GPU, where there is one.
"""
import ctypes
import json
import os
import subprocess
import sys
import threading

import gmemfs
import numpy

SIZE = 256 << 20
TYPES = {"BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32", "I32": "int32",
         "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
         "C64": "complex64", "F8_E4M3": "float8_e4m3fn", "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2": "float8_e5m2",
         "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu"}


def file_of(path):
    with open(path, "rb") as file:
        raw = file.read()
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def stored(path, name):
    header, data = file_of(path)
    return data[slice(*header[name]["data_offsets"])]


def same(what, found, wanted):
    if found != wanted:
        sys.exit(f"tensors: {what}: {str(found)[:200]}, not {str(wanted)[:200]}")


def refused(what, kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        return str(error)
    sys.exit(f"tensors: {what}: it wasn't refused")


def write_unaligned(path):
    """A sound file of every type in which each tensor begins at an odd address; its bytes by the type's name."""
    random = numpy.random.default_rng(11)
    entries, wanted, data = {"odd": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, {}, b"\0"
    for code, name in TYPES.items():
        size = 12 * numpy.dtype("u1" if "8_" in code else {"BF16": "u2", "BOOL": "?"}.get(code, name)).itemsize
        wanted[name] = random.integers(0, 2, size, "u1").tobytes()
        entries[name] = {"dtype": code, "shape": [3, 4], "data_offsets": [len(data), len(data) + size]}
        data += wanted[name]
    entries["even"] = {"dtype": "F4", "shape": [3, 6], "data_offsets": [len(data), len(data) + 9]}
    wanted["even"] = random.bytes(9)
    text = json.dumps(entries).encode()
    text += b" " * (-(8 + len(text)) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data + wanted["even"])
    return wanted


def check_torch(mount, model):
    import safetensors
    import safetensors.torch
    import torch
    bytes_of = lambda tensor: tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    tensors = {name: torch.randint(0, 2, (3, 4 * getattr(torch, name).itemsize), dtype=torch.uint8, device="cuda").view(
        getattr(torch, name)) for name in TYPES.values()}
    for name in ("four", "other"):
        tensors[name] = torch.randint(0, 256, (2, 4), dtype=torch.uint8, device="cuda").view(torch.float4_e2m1fn_x2)
    gmemfs.save_safetensors(tensors, model)
    same("fp4 in the header", file_of(model)[0]["four"]["shape"], [2, 8])
    loaded = gmemfs.load_safetensors(model, framework="pt")
    theirs = safetensors.torch.load_file(model)
    for name, tensor in tensors.items():
        for who, found in (("gmemfs", loaded[name]), ("safetensors", theirs[name])):
            same(f"{name} by {who}", (found.dtype, found.shape, bytes_of(found)),
                 (tensor.dtype, tensor.shape, bytes_of(tensor)))
    same("fp4 by its type", gmemfs.tensor(model, (2, 4), torch.float4_e2m1fn_x2).nbytes, 8)
    for name, wanted in write_unaligned(model).items():
        same(f"{name} at an odd address", bytes_of(gmemfs.load_safetensors(model, framework="torch")[name]), wanted)
    complex_ = torch.randn(50, 60, dtype=torch.complex64, device="cuda")
    image = torch.randn(2, 3, 8, 9, device="cuda")
    views = {"conj": complex_.conj(), "neg": complex_.conj().imag, "T": complex_.T.conj(), "step": image[:, ::2, 1:],
             "last": image.to(memory_format=torch.channels_last), "empty": image[:0], "scalar": image[0, 0, 0, 0]}
    gmemfs.save_safetensors(views, model)
    for name, tensor in views.items():
        same(name, stored(model, name), bytes_of(tensor.resolve_conj().resolve_neg()))
    check_torch_streams(torch, model)
    graph, x = torch.cuda.CUDAGraph(), torch.ones(3, device="cuda")
    with torch.cuda.graph(graph):
        y = x + 1
        refused("a save while a graph is captured", ValueError, gmemfs.save_safetensors, {"y": y}, model)
    graph.replay()
    same("the graph after it", y.tolist(), [2.0] * 3)
    check_torch_captures(torch, model, bytes_of)
    if torch.cuda.device_count() > 1:
        far = torch.randint(0, 256, (100 << 20,), dtype=torch.uint8, device="cuda:1")
        gmemfs.save_safetensors({"far": far, "near": x}, model)
        same("memory of another GPU", stored(model, "far"), bytes_of(far))


def check_torch_captures(torch, model, bytes_of):
    """A save in one thread while another one captures: on a stream of torch's, and on one that the default stream waits
    for; of memory, of what goes through the host, and of pinned memory."""
    tensors = {"made": torch.randint(0, 256, (SIZE // 4,), dtype=torch.uint8, device="cuda"),
               "pinned": torch.randint(0, 256, (1 << 20,), dtype=torch.uint8).pin_memory()}
    if torch.cuda.device_count() > 1:
        tensors["far"] = torch.randint(0, 256, (1 << 20,), dtype=torch.uint8, device="cuda:1")
    wanted = {name: bytes_of(tensor) for name, tensor in tensors.items()}
    x, failures = torch.ones(3, device="cuda"), []

    def saves():
        try:
            gmemfs.save_safetensors(tensors, model)
        except BaseException as error:
            failures.append(error)

    for mode in ("global", "thread_local", "relaxed"):
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, capture_error_mode=mode):
            y = x + 1
            thread = threading.Thread(target=saves)
            thread.start()
            thread.join()
        same(f"a save while another thread captures ({mode})", failures, [])
        graph.replay()
        same(f"the graph after it ({mode})", y.tolist(), [2.0] * 3)
        for name, raw in wanted.items():
            same(f"{name}, saved while another thread captured ({mode})", stored(model, name) == raw, True)
        os.unlink(model)
    driver, stream, graph = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_void_p()
    same("a blocking stream", driver.cuStreamCreate(ctypes.byref(stream), 0), 0)
    same("its capture", driver.cuStreamBeginCapture_v2(stream, 0), 0)
    thread = threading.Thread(target=saves)
    thread.start()
    thread.join()
    same("the end of its capture", driver.cuStreamEndCapture(stream, ctypes.byref(graph)), 0)
    same("a save while a blocking stream is captured", failures, [])
    same("what it saved", stored(model, "made") == wanted["made"], True)


def check_torch_streams(torch, model):
    for inside in (True, False):
        stream, made = torch.cuda.Stream(), torch.zeros(SIZE, dtype=torch.uint8, device="cuda")
        source = torch.zeros_like(made)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            for _ in range(400):
                made.copy_(source)
            made.fill_(7)
            if inside:
                gmemfs.save_safetensors({"made": made}, model)
        if not inside:
            gmemfs.save_safetensors({"made": made}, model)
        same("what a side stream makes", stored(model, "made") == b"\7" * SIZE, True)
    pinned = torch.zeros(SIZE, dtype=torch.uint8, pin_memory=True)
    for _ in range(10):
        pinned.copy_(made, non_blocking=True)
    gmemfs.save_safetensors({"pinned": pinned}, model)
    same("what is on its way to pinned memory", stored(model, "pinned") == b"\7" * SIZE, True)


def check_cupy(mount, model):
    import cupy
    for code, name in TYPES.items():
        if code not in ("BF16",) and "8_" not in code:
            array = cupy.random.randint(0, 2, (5, 6)).astype(name)
            gmemfs.save_safetensors({name: array}, model)
            found = gmemfs.load_safetensors(model, framework="cupy")[name]
            same(name, (found.dtype, found.shape, found.tobytes()), (array.dtype, array.shape, array.tobytes()))
    wanted = write_unaligned(model)
    for name, raw in wanted.items():
        header, data = file_of(model)
        one = {name: dict(header[name], data_offsets=[0, len(raw)])}
        text = json.dumps(one).encode()
        text += b" " * (1 - len(text) % 2)  # its data begin at an odd address
        with open(model + ".one", "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text + raw)
        if "float8" in name:
            refused(f"{name} by CuPy", TypeError, gmemfs.load_safetensors, model + ".one", framework="cupy")
        else:
            found = gmemfs.load_safetensors(model + ".one", framework="cupy")[name]
            same(f"{name} at an odd address", found.tobytes(), raw)
    same("fp4 by CuPy", gmemfs.load_safetensors(model + ".one", framework="cupy")["even"].shape, (3, 3))
    import ml_dtypes
    array = cupy.arange(6).astype(ml_dtypes.bfloat16)
    gmemfs.save_safetensors({"a": array}, model)
    same("bfloat16", (file_of(model)[0]["a"]["dtype"], stored(model, "a")), ("BF16", array.tobytes()))
    found = gmemfs.load_safetensors(model, framework="cupy")["a"]
    same("bfloat16 comes back", (found.dtype, found.tobytes()), (array.dtype, array.tobytes()))
    array = cupy.arange(12, dtype="f4").reshape(3, 4)
    for view in (array.T, array[::2], array[:, ::-1]):
        if not view.flags.c_contiguous:
            refused("a view", ValueError, gmemfs.save_safetensors, {"a": view}, model)
    refused("complex128", TypeError, gmemfs.save_safetensors, {"a": array.astype("c16")}, model)
    made, source = cupy.zeros(SIZE, "u1"), cupy.zeros(SIZE, "u1")
    cupy.cuda.runtime.deviceSynchronize()
    for inside in (True, False):
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            for _ in range(400):
                made[...] = source
            made.fill(7 + inside)
            if inside:
                gmemfs.save_safetensors({"made": made}, model)
        if not inside:
            gmemfs.save_safetensors({"made": made}, model)
        same("what a side stream makes", stored(model, "made") == bytes([7 + inside]) * SIZE, True)


def check_jax(mount, model):
    import jax
    import ml_dtypes
    jax.config.update("jax_enable_x64", True)
    random = numpy.random.default_rng(2)
    dtypes = {name: numpy.dtype(getattr(ml_dtypes, name, name)) for name in TYPES.values()}
    arrays = {name: jax.numpy.asarray(random.integers(0, 2, (3, 4)).astype(dtype)) for name, dtype in dtypes.items()}
    gmemfs.save_safetensors(arrays, model)
    for name, found in gmemfs.load_safetensors(model, framework="jax").items():
        same(name, (found.dtype, found.shape, numpy.asarray(found).tobytes()),
             (arrays[name].dtype, arrays[name].shape, numpy.asarray(arrays[name]).tobytes()))
        same(f"{name} computed with", numpy.asarray(jax.numpy.concatenate([found, found])).tobytes(),
             2 * numpy.asarray(arrays[name]).tobytes())
    for name, raw in write_unaligned(model).items():
        found = gmemfs.load_safetensors(model, framework="jax")[name]
        same(f"{name} at an odd address", numpy.asarray(jax.numpy.copy(found)).tobytes(), raw)
    with open(mount + "/raw", "wb") as file:
        file.write(numpy.arange(64, dtype="f4").tobytes())
    for offset in (4, 8, 24):
        array = gmemfs.tensor(mount + "/raw", (8,), "float32", offset=offset)
        for call in (jax.dlpack.from_dlpack, jax.numpy.asarray):
            same("the message", "16" in refused(f"offset {offset}", BufferError, call, array), True)
    array = jax.dlpack.from_dlpack(gmemfs.tensor(mount + "/raw", (8,), "float32", offset=32))
    same("a sum", float(array.sum()), float(numpy.arange(8, 16).sum()))
    make = jax.jit(lambda x: jax.lax.fori_loop(0, 300, lambda _, y: y + 1, x))
    gmemfs.save_safetensors({"made": make(jax.numpy.zeros(SIZE // 4, "int32"))}, model)
    same("what JAX still makes", stored(model, "made") == numpy.full(SIZE // 4, 300, "i4").tobytes(), True)


CHECKS = {"torch": check_torch, "cupy": check_cupy, "jax": check_jax}


def check(mount):
    for name in CHECKS:
        folder = os.path.join(mount, f"tensors-{name}")
        os.mkdir(folder)
        if subprocess.run([sys.executable, __file__, name, folder], check=False).returncode != 0:
            sys.exit(f"tensors: the check of {name} failed")
        for file in os.listdir(folder):
            os.unlink(os.path.join(folder, file))
        os.rmdir(folder)
    print(json.dumps({"tensors": list(CHECKS)}))


if __name__ == "__main__":
    CHECKS[sys.argv[1]](sys.argv[2], sys.argv[2] + "/model")
