#!/usr/bin/env python3
"""Peer: its device keeps writing into a file's memory while the server (and, if told to, the keeper) is killed.

    tests/gpu/peer_keeps_writing.py PATH SERVER_PID [--keeper PID] [--fills N]

Queues N fills of the whole file (kernels of the driver), each with its own number, and kills the processes by SIGKILL
while they run: at least one fill must be behind and one before us then. All must end without an error, the mapping
must hold the last number, and so must the file, when the server is back. Prints JSON. Exit status 1: not as expected.
"""
import argparse
import json
import os
import select
import signal
import sys
import time

import numpy
from cuda.bindings import driver

from peer_bindings import MappedFile, check


def kill(pid):
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([ended], [], [], 10)
    os.close(ended)


def is_done(event):
    (result,) = driver.cuEventQuery(event)
    if result == driver.CUresult.CUDA_ERROR_NOT_READY:
        return False
    check((result,), "ask for an event")
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("server", type=int)
    parser.add_argument("--keeper", type=int)
    parser.add_argument("--fills", type=int, default=1000)
    arguments = parser.parse_args()
    size = os.stat(arguments.path).st_size
    mapped = MappedFile(arguments.path)
    first = check(driver.cuEventCreate(0), "make event")
    last = check(driver.cuEventCreate(0), "make event")
    for number in range(1, arguments.fills + 1):
        check(driver.cuMemsetD32Async(mapped.address, number, size // 4, mapped.stream), "fill")
        if number == 1:
            check(driver.cuEventRecord(first, mapped.stream), "record event")
    check(driver.cuEventRecord(last, mapped.stream), "record event")
    while not is_done(first):
        time.sleep(0.0001)
    was_under_way = not is_done(last)
    start = time.perf_counter()
    if arguments.keeper:
        kill(arguments.keeper)
    kill(arguments.server)
    was_under_way_after = not is_done(last)
    check(driver.cuStreamSynchronize(mapped.stream), "wait for the fills")
    ended_s = time.perf_counter() - start
    words = mapped.read(size).view(numpy.uint32)
    if not bool((words == arguments.fills).all()):
        sys.exit(f"peer: {arguments.path}: the mapping doesn't hold the last fill")
    told = {"bytes": size, "fills": arguments.fills, "under_way_at_the_kill": was_under_way,
            "under_way_after_it": was_under_way_after, "fills_ended_after_s": round(ended_s, 3)}
    if not arguments.keeper:
        with open(arguments.path, "rb", buffering=0) as file:  # of the server that is there now
            for offset in range(0, size, 64 << 20):
                block = numpy.frombuffer(file.read(min(64 << 20, size - offset)), dtype=numpy.uint32)
                if not bool((block == arguments.fills).all()):
                    sys.exit(f"peer: {arguments.path}: the file doesn't hold what the kernels wrote")
        told["file_equal_after_s"] = round(time.perf_counter() - start, 3)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
