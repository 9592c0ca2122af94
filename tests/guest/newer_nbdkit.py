#!/usr/bin/env python3
"""Newer nbdkit: runs tests/mount/block/plugin.sh with the nbdkit of Debian 13 (1.42), whatever this machine's is.

    tests/guest/newer_nbdkit.py

Its packages are downloaded and unpacked under build/guest, never into this system. It runs by its own loader, with its
own filters over this system's, in a mount namespace: needs root. Exit status: the scenario's; 77 where it can't run.
"""
import os
import subprocess
import sys
from pathlib import Path

from kernel import Apt, Missing

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / os.environ.get("BUILD", "build")
PLUGINS = "usr/lib/x86_64-linux-gnu/nbdkit"
# What its other plugins alone need.
NOT_NEEDED = ("libblkio", "libcurl", "libext2fs", "libnbd", "libssh", "libtorrent")


def packages(apt):
    """nbdkit, and what it needs."""
    needs, package = {}, ""
    for line in apt.run("apt-cache", "depends", "--recurse", "--important", "--no-pre-depends", "nbdkit").splitlines():
        if not line.startswith((" ", "|", "<")):
            package = line.strip()
        elif line.startswith("  Depends: ") and "<" not in line:
            needs.setdefault(package, []).append(line.split()[1])
    found, left = set(), ["nbdkit"]
    while left:
        package = left.pop()
        if package not in found and not package.startswith(NOT_NEEDED):
            found.add(package)
            left += needs.get(package, [])
    return sorted(found)


def unpacked():
    place = BUILD / "guest" / "nbdkit-13"
    root = place / "root"
    if not (root / "usr/bin/nbdkit").exists():
        apt = Apt("trixie", place)
        apt.run("apt-get", "update")
        root.mkdir(exist_ok=True)
        apt.run("apt-get", "download", *packages(apt))
        for archive in place.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
            archive.unlink()
    return root


def wrapper(root):
    """A folder with a command nbdkit."""
    folder = root.parent / "bin"
    folder.mkdir(exist_ok=True)
    command = folder / "nbdkit"
    command.write_text(f"""#!/bin/sh
exec unshare --mount --propagation slave sh -c 'mount --bind {root}/{PLUGINS} /{PLUGINS} &&
    exec {root}/usr/lib64/ld-linux-x86-64.so.2 --library-path {root}/usr/lib/x86_64-linux-gnu \\
        {root}/usr/bin/nbdkit "$@"' sh "$@"
""")
    command.chmod(0o755)
    return folder


def main():
    if os.geteuid() != 0 or not os.path.isdir(f"/{PLUGINS}"):
        print("newer_nbdkit: needs root, and this system's nbdkit, whose place its filters take")
        return 77
    try:
        folder = wrapper(unpacked())
    except Missing as missing:
        print(f"newer_nbdkit: {missing}")
        return 77
    print(subprocess.run([folder / "nbdkit", "--version"], capture_output=True, text=True, check=True).stdout.strip())
    runner = HERE.parent / "mount" / "runner.py"
    return subprocess.run([sys.executable, runner, HERE.parent / "mount/block/plugin.sh"], check=False,
                          env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}).returncode


if __name__ == "__main__":
    sys.exit(main())
