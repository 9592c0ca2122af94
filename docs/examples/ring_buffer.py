#!/usr/bin/env python3
"""Ring buffer: a producer fills slots of device memory, a consumer in another process empties them; nothing is copied
between the two, and the data never leave the device but for being checked.

    docs/examples/ring_buffer.py /mnt/gpu

    byte 0          SLOT             2 SLOT                     (SLOTS + 1) SLOT
    | counters      | slot 0         | slot 1        ...        |        one file, mapped by both

The counters, how many slots were filled and how many emptied, each have one writer. The producer counts a slot only
after the device has finished writing it, and so the consumer never sees one half full. Needs cuda.bindings and NumPy.
"""
import multiprocessing
import sys
import time

import gmemfs
import numpy
from cuda.bindings import driver

SLOT, SLOTS, ROUNDS = 256 * 1024, 8, 100
FILLED, EMPTIED = 0, 8  # byte offsets of the counters


def checked(result):
    code, *values = result
    if code != driver.CUresult.CUDA_SUCCESS:
        sys.exit(f"the driver says {code.name}")
    return values[0] if values else None


class Ring:
    def __init__(self, path):
        checked(driver.cuInit(0))
        checked(driver.cuCtxSetCurrent(checked(driver.cuDevicePrimaryCtxRetain(0))))
        self.mapping = gmemfs.open(path, SLOT * (SLOTS + 1)).map()

    def counter(self, offset):
        value = numpy.zeros(1, "u8")
        checked(driver.cuMemcpyDtoH(value.ctypes.data, self.mapping.address + offset, 8))
        return int(value[0])

    def count(self, offset, value):
        checked(driver.cuMemcpyHtoD(self.mapping.address + offset, numpy.array([value], "u8").ctypes.data, 8))

    def slot(self, number):
        return self.mapping.address + SLOT * (1 + number % SLOTS)


def produce(path):
    ring = Ring(path)
    for number in range(ROUNDS):
        while number - ring.counter(EMPTIED) >= SLOTS:
            time.sleep(0)
        checked(driver.cuMemsetD8(ring.slot(number), number % 256, SLOT))  # a kernel's work, really
        checked(driver.cuCtxSynchronize())
        ring.count(FILLED, number + 1)


def consume(path):
    ring = Ring(path)
    data = numpy.empty(SLOT, "u1")
    for number in range(ROUNDS):
        while ring.counter(FILLED) <= number:
            time.sleep(0)
        checked(driver.cuMemcpyDtoH(data.ctypes.data, ring.slot(number), SLOT))
        if not (data == number % 256).all():
            sys.exit(f"slot {number} holds other bytes")
        ring.count(EMPTIED, number + 1)


def main():
    path = f"{sys.argv[1]}/ring"
    gmemfs.open(path, SLOT * (SLOTS + 1)).close()  # new memory is zeros, and so are the counters
    processes = multiprocessing.get_context("spawn")  # never fork a process that uses CUDA
    both = [processes.Process(target=target, args=(path,)) for target in (produce, consume)]
    start = time.perf_counter()
    for process in both:
        process.start()
    for process in both:
        process.join()
    if any(process.exitcode for process in both):
        sys.exit("one of both failed")
    print(f"{ROUNDS} slots of {SLOT >> 10} KiB in {time.perf_counter() - start:.2f} s, starting both included")


if __name__ == "__main__":
    main()
