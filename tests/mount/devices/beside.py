#!/usr/bin/env python3
# beside: reads and writes files on devices 0 and 2 without an error, while device 1 is lost under reads and writes of
# its own.
#
#   tests/mount/devices/beside.py MOUNT FOLDER     FOLDER/begun and FOLDER/lost appear; it ends when FOLDER/end does
import errno
import os
import sys
import threading
from pathlib import Path

MOUNT, FOLDER = Path(sys.argv[1]), Path(sys.argv[2])
SIZE = 1 << 20
turns = {}
failures = []


def write_all(file, data):
    done = 0
    while done < len(data):  # Linux makes several requests of one, and the first of them may succeed
        done += os.pwrite(file, data[done:], done)


def read_all(file, start):
    data = b""
    while len(data) < SIZE and (part := os.pread(file, SIZE - len(data), start + len(data))):
        data += part
    return data


def use(device, allowed):
    """Writes a file's bytes anew and reads them, until the end; True where that failed as `allowed`."""
    file = os.open(MOUNT / device / "beside", os.O_RDWR | os.O_CREAT)
    turn, failed = 0, False
    while not (FOLDER / "end").exists():
        data = bytes([turn % 251 + 1]) * SIZE
        try:
            write_all(file, data)
            assert read_all(file, 0) == data
            os.ftruncate(file, SIZE // 2)
            os.ftruncate(file, 2 * SIZE)
            assert read_all(file, SIZE) == bytes(SIZE)
            assert not failed, "a lost device works again by itself"
        except OSError as error:
            assert error.errno == allowed, error
            failed = True
            (FOLDER / "lost").touch()
        turn += 1
        turns[device] = turn
        if len(turns) == 3 and min(turns.values()) > 3:
            (FOLDER / "begun").touch()
    os.close(file)
    assert failed == (allowed is not None), (device, failed)


def run(device, allowed):
    try:
        use(device, allowed)
    except BaseException as error:
        failures.append((device, error))
        raise


threads = [threading.Thread(target=run, args=(device, allowed))
           for device, allowed in (("0", None), ("1", errno.EIO), ("2", None))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
print(turns)
