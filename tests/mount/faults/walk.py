#!/usr/bin/env python3
# walk: one driver call of a mount's server and one of its keeper fail, at every k-th point; files are used still.
#
#   tests/mount/faults/walk.py --mount-point DIR [--step K] [--last N]      prints how many points it walked
#
# tests/faults walks through every call of the filesystem as a library; this adds what is around it: start, workers.
import argparse
import errno
import os
import subprocess
import sys
from pathlib import Path

RESULTS = ["OUT_OF_MEMORY", "NOT_PERMITTED", "INVALID_VALUE", "UNKNOWN"]
# docs/errors.md for those, and what the keeper's process adds.
SENSIBLE = {errno.ENOSPC, errno.ENOMEM, errno.EPERM, errno.ENOTSUP, errno.EINVAL, errno.ENODEV, errno.EIO}
MIB = 1 << 20


class Walk:
    def __init__(self, arguments):
        self.arguments = arguments
        self.mnt = arguments.mount_point
        self.failed_mounts = self.failed_operations = 0

    def mount(self, point, result):
        command = [self.arguments.gmemfs, "mount", self.mnt, "--simulate=128M", "--workers=2", "--scrub-rate=0",
                   "--ecc=" + ("on" if point % 2 else "off")]
        env = os.environ | {"GMEMFS_SIM_FAULTS": f"*#{point}={result}"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return True
        lines = done.stderr.splitlines()
        assert done.returncode == 1 and len(lines) == 1 and lines[0].startswith("gmemfs: "), done
        self.failed_mounts += 1
        return False

    def check_nothing_is_left(self):
        assert not os.path.ismount(self.mnt), "a mount is left"
        left = list(Path(self.arguments.runtime_folder).glob("*"))
        assert not left, left

    def attempt(self, operation):
        for _ in range(4):  # the server's fault, the keeper's, and what one of them costs a second request
            try:
                return operation()
            except OSError as error:
                assert error.errno in SENSIBLE, error
                self.failed_operations += 1
        raise AssertionError("it fails again and again")

    def use_files(self):
        small, large, other = (os.path.join(self.mnt, name) for name in ("small", "large", "other"))
        data = os.urandom(3 * MIB)

        def write(path, offset, bytes_):
            fd = os.open(path, os.O_RDWR | os.O_CREAT)
            try:
                done = 0
                while done < len(bytes_):
                    done += os.pwrite(fd, bytes_[done:], offset + done)
            finally:
                os.close(fd)

        def read(path):
            with open(path, "rb", buffering=0) as file:
                return file.readall()

        def copy():
            with open(large, "rb", buffering=0) as source, open(other, "wb", buffering=0) as target:
                assert os.copy_file_range(source.fileno(), target.fileno(), MIB, 100, 0) == MIB

        def allocate_and_punch():
            fd = os.open(small, os.O_RDWR)
            try:
                os.posix_fallocate(fd, 0, 2 * MIB)
            finally:
                os.close(fd)

        self.attempt(lambda: write(small, 0, data[:100]))
        self.attempt(lambda: write(small, 100, data[100:100000]))
        self.attempt(lambda: write(large, 0, data))
        self.attempt(lambda: os.truncate(large, 5 * MIB))
        self.attempt(lambda: os.truncate(large, 2 * MIB + 1))
        self.attempt(copy)
        self.attempt(allocate_and_punch)
        self.attempt(lambda: os.getxattr(large, "user.allocation_size"))
        try:
            self.attempt(lambda: os.getxattr(large, "user.fabric_handle"))
        except AssertionError:  # its memory was made without one, because the first try failed: a policy, not a failure
            pass
        assert self.attempt(lambda: read(small)) == data[:100000] + bytes(2 * MIB - 100000)
        assert self.attempt(lambda: read(large)) == data[:2 * MIB + 1]
        assert self.attempt(lambda: read(other)) == data[100:100 + MIB]
        for path in (small, large, other):
            os.unlink(path)
        found = os.statvfs(self.mnt)
        assert found.f_files - found.f_ffree == 1, found

    def run(self):
        points = 0
        for point in range(1, self.arguments.last, self.arguments.step):
            result = RESULTS[points % len(RESULTS)]
            points += 1
            try:
                if self.mount(point, result):
                    try:
                        self.use_files()
                    finally:
                        subprocess.run([self.arguments.gmemfs, "umount", self.mnt], check=True, timeout=60)
                self.check_nothing_is_left()
            except BaseException:
                print(f"walk: at call {point}, which gives {result}")
                raise
        print(f"walk: {points} points: {self.failed_mounts} mounts were refused, "
              f"{self.failed_operations} operations failed and succeeded later")


def main():
    parser = argparse.ArgumentParser(description="Walks a mount through failing driver calls.")
    parser.add_argument("--gmemfs", required=True)
    parser.add_argument("--mount-point", required=True)
    parser.add_argument("--runtime-folder", default=os.environ.get("GMEMFS_RUNTIME_DIR"))
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--last", type=int, default=400)
    Walk(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
