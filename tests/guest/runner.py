#!/usr/bin/env python3
# runner: runs the scenarios of tests/guest, each a shell script in a virtual machine of its own (qemu, no KVM).
#
#   tests/guest/runner.py [--ci] [--rounds N] [--results FILE] [PATH...]
#
# A guest has what this machine may lack: the kernel's nbd and ublk, and a swap that may be filled. Its kernel is
# Debian's, its files an initramfs of busybox, the command with its libraries, and the simulator; nothing is installed,
# here or there. One guest at a time. Its two processors take turns on one of this machine's: with a thread each
# (thread=multi) qemu 7.2 ran code that the kernel had just patched ("Oops: int3"), and took twice as long here.
#
# A script runs under `busybox sh -eu -o pipefail` with lib.sh read, as root, in an empty /tmp. Comments at its top say
# what it wants:
#   # kernel: 12 13               Debian's: 12 is Linux 6.1, 13 is 6.12; with both it runs in both, one after the other
#   # memory: 256M                what the guest has for everything but the simulated device
#   # device: 256M                of the simulated device; the guest has huge pages besides for it
#   # modules: nbd loop           of the kernel
#   # programs: mkfs.ext4 fio     of this machine, without which the scenario is skipped
#   # files: /usr/lib/x/y.so      the same, by their paths
#   # built: conformance-tests    of the build folder
#   # timeout: 120                seconds, of each round
#   # alarms: I/O error           what the kernel may say; without this nothing of init's list
#   # rounds: 3                   ROUNDS for the script, unless --rounds or GUEST_ROUNDS says another number
#   # ci: 13                      `make test` runs it, too, with these kernels
# Exit 77, with a line "skip: why", skips.
import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import initramfs
from kernel import Kernel, Missing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
CACHE = ROOT / "build/guest"  # of every build
QEMU = "qemu-system-x86_64"
PROGRAMS = ("gmemfs", "gmemfs-block", "sim/libcuda.so.1")

def headers(script):
    found = {"kernel": "13", "memory": "256M", "device": "256M", "modules": "", "programs": "", "files": "",
             "built": "", "timeout": "120", "alarms": "", "rounds": "1",
             "ci": ""}
    for line in script.read_text().splitlines():
        match = re.match(r"# (\w+)(?:: *(.*))?$", line)
        if match and match.group(1) in found:
            found[match.group(1)] = match.group(2) or ""
        elif not line.startswith("#"):
            break
    return found


def mebibytes(text):
    return int(text.removesuffix("M"))


class Guest:
    def __init__(self, script, number, arguments):
        self.script, self.number, self.want = script, number, headers(script)
        self.name = f"{script.stem}.{number}"
        self.place = CACHE / "runs" / self.name
        self.log = self.place / "log"
        self.rounds = arguments.rounds or int(os.environ.get("GUEST_ROUNDS", self.want["rounds"]))

    def programs(self):
        """Those of this build, and those of this machine, by where the guest has them."""
        found = {f"gmemfs/{name}": BUILD / name for name in PROGRAMS}
        found |= {f"bin/{path.name}": path for path in (BUILD / "guest-programs").glob("*")}
        found |= {f"gmemfs/{name}": BUILD / name for name in self.want["built"].split()}
        for name in self.want["programs"].split():
            path = initramfs.find_program(name)
            if not path:
                raise Missing(f"no {name} here")
            found[f"usr/bin/{name}"] = path
        for path in self.want["files"].split():
            if not os.path.exists(path):
                raise Missing(f"no {path} here")
            found[path] = path
        return found

    def prepare(self):
        if not shutil.which(QEMU):
            raise Missing(f"no {QEMU} here: install the package qemu-system-x86")
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        self.kernel = Kernel(self.number, CACHE)
        environment = (f"ROUNDS={self.rounds}\n"
                       f"export GMEMFS_SIM_DEVICES={self.want['device']} GMEMFS_SIM_RESIDENT=1\n")
        files = {"init": ((HERE / "init").read_bytes(), 0o755),
                 "scenario/lib.sh": ((HERE / "lib.sh").read_bytes(), 0o644),
                 "scenario/script": (self.script.read_bytes(), 0o644),
                 "scenario/environment": (environment.encode(), 0o644)}
        modules = ["fuse", *self.want["modules"].split()]
        image = initramfs.basis(self.kernel, modules, self.programs(), files)
        (self.place / "initramfs").write_bytes(image)

    def command(self):
        pages = mebibytes(self.want["device"]) // 2
        memory = mebibytes(self.want["memory"]) + 2 * pages
        return [QEMU, "-machine", "q35", "-cpu", "max", "-accel", "tcg,thread=single", "-smp", "2", "-m", f"{memory}M",
                "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
                "-monitor", f"unix:{self.place}/monitor,server=on,wait=off", "-kernel", self.kernel.image,
                "-initrd", self.place / "initramfs", "-append",
                f"console=ttyS0 quiet panic=-1 unknown_nmi_panic rootfstype=ramfs hugepages={pages} mitigations=off"]

    def limit(self):
        return int(self.want["timeout"]) * self.rounds

    def interrupt(self, machine):
        """Has the kernel say where its processors are, by an interrupt that it takes for the machine's end."""
        try:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.connect(f"{self.place}/monitor")
                monitor.sendall(b"nmi\n")
                machine.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        machine.kill()

    def boot(self):
        """Returns when the guest has said how its script ended, or its time is over."""
        with open(self.log, "wb") as log:
            machine = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT)
            timer = threading.Timer(self.limit(), self.interrupt, [machine])
            timer.start()
            try:
                for line in machine.stdout:
                    log.write(line)
                    log.flush()
                    if line.startswith(b"GUEST ended: "):
                        break
            finally:
                in_time = timer.is_alive()
                timer.cancel()
                machine.kill()
                machine.wait()
        return in_time

    def judge(self, in_time):
        text = self.log.read_text(errors="replace")
        ended = re.search(r"^GUEST ended: (\d+)", text, re.M)
        if not ended:
            return "failed", "the guest ended by itself" if in_time else f"timed out after {self.limit()} s"
        if ended.group(1) == "77":
            reasons = re.findall(r"^skip: (.*?)\r?$", text, re.M)
            return "skipped", reasons[-1] if reasons else "it gave no reason"
        if ended.group(1) != "0":
            told = re.findall(r"^failed: (.*?)\r?$", text, re.M)
            return "failed", f"the script ended with {ended.group(1)}{': ' + told[-1] if told else ''}"
        allowed = self.want["alarms"]
        alarms = [line for line in re.findall(r"^GUEST alarm: (.*?)\r?$", text, re.M)
                  if not (allowed and re.search(allowed, line))]
        return ("failed", f"the kernel said: {alarms[0]}") if alarms else ("passed", "")

    def run(self):
        start = time.monotonic()
        try:
            self.prepare()
            outcome, why = self.judge(self.boot())
        except Missing as missing:
            outcome, why = "skipped", str(missing)
        if (self.place / "initramfs").exists():
            (self.place / "initramfs").unlink()
        return {"name": self.name, "outcome": outcome, "why": why, "seconds": round(time.monotonic() - start, 1)}


def run_one(script, number, arguments):
    guest = Guest(script, number, arguments)
    result = guest.run()
    word = {"passed": "ok    ", "failed": "FAILED", "skipped": "skip  "}[result["outcome"]]
    print(f"{word} {guest.name} ({result['seconds']} s)" + (f": {result['why']}" if result["why"] else ""), flush=True)
    if result["outcome"] == "failed":
        for line in guest.log.read_text(errors="replace").splitlines()[-60:]:
            print(f"    {line[:300]}")
        print(f"    all of it: {guest.log}; again: tests/guest/runner.py {script}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description="Runs the scenarios of tests/guest.")
    parser.add_argument("--ci", action="store_true", help="only those with `# ci`")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--results", type=Path, help="write what happened there, as JSON")
    parser.add_argument("paths", nargs="*", type=Path)
    arguments = parser.parse_args()
    scripts = [path.resolve() for path in arguments.paths] or sorted((HERE / "scenarios").glob("*.sh"))
    missing = [BUILD / name for name in PROGRAMS if not (BUILD / name).exists()]
    if missing:
        sys.exit(f"runner: no program {missing[0]}: run `make` first")
    which = "ci" if arguments.ci else "kernel"
    results = [run_one(script, number, arguments) for script in scripts for number in headers(script)[which].split()]
    count = {word: sum(r["outcome"] == word for r in results) for word in ("passed", "failed", "skipped")}
    print(f"guest: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    if arguments.results:
        arguments.results.write_text(json.dumps(results))
    sys.exit(1 if count["failed"] or not results else 0)


if __name__ == "__main__":
    main()
