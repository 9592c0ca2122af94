# initramfs: a guest's files as one cpio archive ("newc"), made without root and without other programs.
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Archive:
    """Files in the order in which they were added; one that is added again is written once."""

    def __init__(self):
        self.parts, self.names = [], set()

    def add(self, name, mode, data=b"", device=(0, 0)):
        name = name.strip("/")
        if name in self.names:
            return
        for parent in reversed(Path(name).parents):
            if str(parent) != "." and str(parent) not in self.names:
                self.add(str(parent), stat.S_IFDIR | 0o755)
        self.names.add(name)
        number = len(self.names)
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def folder(self, name):
        self.add(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        self.add(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.add(name, stat.S_IFLNK | 0o777, target.encode())

    def bytes(self):
        head = b"070701" + b"%08X" * 13 % (0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0) + b"TRAILER!!!\0"
        return b"".join(self.parts) + head + b"\0" * (-len(head) % 4)


def libraries(program):
    """Paths of the shared libraries that ldd(1) tells, the dynamic loader among them."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(?:=> |^\s+)(/\S+) \(", told, re.M)


def stripped(path):
    """A program without what only debuggers want, in a guest whose memory is small."""
    if not shutil.which("strip"):
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "stripped"
        done = subprocess.run(["strip", "-o", target, path], capture_output=True, check=False)
        return (target if done.returncode == 0 else path).read_bytes()


def add_program(archive, path, name):
    """A program or library of this machine, with all that it loads; those lie where they lie here."""
    path = Path(path)
    archive.file(name, stripped(path), 0o755)
    for library in libraries(path):
        archive.file(library, stripped(Path(library)), 0o755)


def find_program(name):
    return shutil.which(name, path=SYSTEM_PATH)


def basis(kernel, modules, programs, files):
    """What a guest has besides its scenario. `programs` maps names in the guest to paths here, `files` to bytes."""
    archive = Archive()
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for folder in ("proc", "sys", "tmp", "run", "etc", "mnt", "bin", "sbin", "dev"):
        archive.folder(folder)
    archive.file("bin/busybox", kernel.busybox.read_bytes(), 0o755)
    archive.link("etc/mtab", "/proc/self/mounts")
    archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    for number, (name, data) in enumerate(kernel.in_order(modules)):
        archive.file(f"modules/{number:02}-{name}.ko", data)
    for name, path in programs.items():
        add_program(archive, path, name)
    for name, (data, mode) in files.items():
        archive.file(name, data, mode)
    return archive.bytes()
