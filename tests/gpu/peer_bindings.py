#!/usr/bin/env python3
"""Peer: a process that shares a file's device memory with nothing but NVIDIA's own Python bindings (cuda.bindings).

    tests/gpu/peer_bindings.py PATH [--sha256 HEX] [--write SEED]

Reads `user.fabric_handle` and `user.allocation_size` of PATH, imports, reserves, maps and sets access; copies the bytes
out and, with --sha256, compares. With --write it then fills the memory with random bytes of SEED through the mapping.
Prints JSON: the SHA-256 of what it found and of what it wrote, over the file's size. Exit status 1: not as expected.
"""
import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import sys

import numpy
from cuda.bindings import driver

FABRIC = driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_FABRIC


def check(answer, doing):
    """The values of a binding's answer; an exit with one line if it failed."""
    result, *values = answer
    if result != driver.CUresult.CUDA_SUCCESS:
        sys.exit(f"peer: {doing}: {result.name}")
    return values[0] if len(values) == 1 else values


def find_device(path):
    """The device that the file lives on, by its UUID; the first where the server names none."""
    with contextlib.suppress(OSError):
        wanted = os.getxattr(path, "user.gmemfs.device").decode()
        for ordinal in range(check(driver.cuDeviceGetCount(), "count devices")):
            device = check(driver.cuDeviceGet(ordinal), "get device")
            digits = bytes(check(driver.cuDeviceGetUuid(device), "get UUID").bytes).hex()
            if digits == wanted.removeprefix("GPU-").replace("-", ""):
                return device
    return check(driver.cuDeviceGet(0), "get device")


class MappedFile:
    """The memory of one file, imported by its fabric handle and mapped into this process."""

    def __init__(self, path):
        handle = os.getxattr(path, "user.fabric_handle")
        if len(handle) != 64:
            sys.exit(f"peer: {path}: {len(handle)} bytes of handles, not 64: the file has more than one extent")
        self.size = int(os.getxattr(path, "user.allocation_size"))
        check(driver.cuInit(0), "initialise driver")
        self.device = find_device(path)
        self.context = check(driver.cuDevicePrimaryCtxRetain(self.device), "make context")
        check(driver.cuCtxSetCurrent(self.context), "bind context")
        self.stream = check(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING), "make stream")
        buffer = ctypes.create_string_buffer(handle, 64)
        imported = check(driver.cuMemImportFromShareableHandle(ctypes.addressof(buffer), FABRIC), "import handle")
        self.address = check(driver.cuMemAddressReserve(self.size, 0, 0, 0), "reserve addresses")
        check(driver.cuMemMap(self.address, self.size, 0, imported, 0), "map")
        check(driver.cuMemRelease(imported), "release handle")  # the mapping holds the memory from here on
        access = driver.CUmemAccessDesc()
        access.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
        access.location.id = int(self.device)
        access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
        check(driver.cuMemSetAccess(self.address, self.size, [access], 1), "set access")

    def read(self, size, offset=0):
        """`size` bytes from `offset`, copied to the host."""
        array = numpy.empty(size, dtype=numpy.uint8)
        source = int(self.address) + offset
        check(driver.cuMemcpyDtoHAsync(array.ctypes.data, source, size, self.stream), "copy out")
        check(driver.cuStreamSynchronize(self.stream), "wait for copy")
        return array

    def write(self, array, offset=0):
        """Puts the bytes of the array at `offset` of the memory; every peer sees them when this returns."""
        target = int(self.address) + offset
        check(driver.cuMemcpyHtoDAsync(target, array.ctypes.data, array.nbytes, self.stream), "copy in")
        check(driver.cuStreamSynchronize(self.stream), "wait for copy")

    def close(self):
        check(driver.cuMemUnmap(self.address, self.size), "unmap")
        check(driver.cuMemAddressFree(self.address, self.size), "free addresses")
        check(driver.cuStreamDestroy(self.stream), "destroy stream")
        check(driver.cuDevicePrimaryCtxRelease(self.device), "release context")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("--sha256", help="what the file's bytes must add up to")
    parser.add_argument("--write", type=int, metavar="SEED", help="then write random bytes of this seed")
    arguments = parser.parse_args()
    size = os.stat(arguments.path).st_size
    mapped = MappedFile(arguments.path)
    found = hashlib.sha256(mapped.read(size)).hexdigest()
    told = {"allocation_size": mapped.size, "found": found}
    if arguments.write is not None:
        array = numpy.frombuffer(numpy.random.default_rng(arguments.write).bytes(size), dtype=numpy.uint8)
        mapped.write(array)
        told["written"] = hashlib.sha256(array).hexdigest()
    mapped.close()
    print(json.dumps(told))
    if arguments.sha256 not in (None, found):
        sys.exit(f"peer: {arguments.path}: the mapping's bytes are not the file's")


if __name__ == "__main__":
    main()
