# kernel: Debian's kernels and a static busybox, downloaded by apt and unpacked beside this system, never into it.
#
# Lists and cache are apt's, but of our own, under build/guest/SUITE; what is there already is kept.
import lzma
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

SUITES = {"12": "bookworm", "13": "trixie"}  # Linux 6.1: nbd, no ublk; Linux 6.12: both
PACKAGE = "linux-image-cloud-amd64"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Missing(Exception):
    """Says in one line what can't be had here."""


def mirror():
    """Where this machine's apt gets Debian's packages from."""
    told = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                           "Label: Debian"], capture_output=True, text=True, check=False).stdout.split()
    if not told:
        raise Missing("apt knows no mirror of Debian here")
    return told[0]


class Apt:
    """apt-get and apt-cache with the lists of one suite alone."""

    def __init__(self, suite, place):
        self.place = place
        for folder in ("lists/partial", "cache/archives/partial"):
            (place / folder).mkdir(parents=True, exist_ok=True)
        (place / "sources.list").write_text(f"deb [signed-by={KEYS} arch=amd64] {mirror()} {suite} main\n")
        self.options = ["-q", "-o", f"Dir::Etc::sourcelist={place}/sources.list", "-o", "Dir::Etc::sourceparts=-",
                        "-o", f"Dir::State::lists={place}/lists", "-o", f"Dir::Cache={place}/cache",
                        "-o", f"APT::Sandbox::User={os.environ.get('USER', 'root')}"]

    def run(self, program, *words):
        done = subprocess.run([program, *self.options, *words], cwd=self.place, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Missing(f"{program} {' '.join(words)}: {said[-1] if said else done.returncode}")
        return done.stdout

    def unpack(self, package, target):
        """An alias of the newest kernel is followed to its package."""
        depends = re.findall(r"Depends: (linux-image-\d\S*)", self.run("apt-cache", "depends", package))
        self.run("apt-get", "download", *(depends or [package]))
        for archive in self.place.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
            archive.unlink()


class Kernel:
    """Of Debian `number`: its image, modules and a busybox."""

    def __init__(self, number, cache):
        self.place = cache / SUITES[number]
        if not (self.place / "done").exists():
            self.fetch(SUITES[number])
        self.image = next(self.place.glob("boot/vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")
        self.busybox = next(path for path in (self.place / "bin/busybox", self.place / "usr/bin/busybox")
                            if path.exists())
        self.modules = {}
        for path in self.place.glob("**/kernel/**/*.ko*"):
            self.modules[path.name.split(".ko")[0].replace("-", "_")] = path

    def fetch(self, suite):
        if platform.machine() != "x86_64":
            raise Missing(f"the guest's kernels are x86_64's, and this is {platform.machine()}")
        for program in ("apt-get", "dpkg-deb"):
            if not shutil.which(program):
                raise Missing(f"no {program} here")
        if not os.path.exists(KEYS):
            raise Missing(f"no {KEYS}")
        shutil.rmtree(self.place, ignore_errors=True)
        apt = Apt(suite, self.place / "apt")
        apt.run("apt-get", "update")
        for package in (PACKAGE, "busybox-static"):
            apt.unpack(package, self.place)
        shutil.rmtree(self.place / "apt")
        (self.place / "done").touch()

    def in_order(self, names):
        """(name, bytes) of these modules, each behind those that it needs; what is built in is left out."""
        found = {}

        def add(name):
            if name in found or name not in self.modules:
                return
            path = self.modules[name]
            data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
            needs = re.search(rb"\0depends=([^\0]*)\0", data)
            for other in (needs.group(1).decode().split(",") if needs else []):
                add(other.replace("-", "_"))
            found[name] = data

        for name in names:
            add(name)
        return list(found.items())
