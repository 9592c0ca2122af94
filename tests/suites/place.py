"""Place: a fresh filesystem to run a suite on: gmemfs on the simulator, or tmpfs, whose results are the standard."""
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
ALARMS = ("BUG", "ASSERT", "Sanitizer", "runtime error:", "terminate called")
MIB = 1 << 20


class Place:
    """A mounted folder, as a context: `path` is its root, `kind` gmemfs or tmpfs, `work` lies beside it on disk."""

    def __init__(self, kind, work, size, options=()):
        self.kind, self.work, self.size, self.options = kind, work, size, options
        self.path = work / "mnt"  # of the same length on both: the path of a socket has a limit
        self.log = work / "server.log"
        self.server = None
        self.was_busy = False

    def __enter__(self):
        self.path.mkdir(parents=True)
        if self.kind == "tmpfs":
            # Its own inodes are no limit of the suites: as many as gmemfs would have with small files.
            options = f"mode=755,size={self.size},nr_inodes=0"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(self.path)], check=True)
            return self
        command = [str(BUILD / "gmemfs"), "mount", str(self.path), "-f", f"--simulate={self.size}",
                   "-o", "allow_other,suid,dev", *self.options]
        environment = {**os.environ, "GMEMFS_SIM_MACHINE": f"suites-{os.getpid()}-{time.monotonic_ns()}"}
        with open(self.log, "wb") as log:
            self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                           start_new_session=True)
        end = time.monotonic() + 20
        while not os.path.ismount(self.path):
            if self.server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"gmemfs didn't mount: {self.log.read_text(errors='replace')}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", str(self.path)], check=False, stderr=subprocess.DEVNULL)
        self.was_busy = os.path.ismount(self.path)
        if self.was_busy:  # a suite left something running in it
            subprocess.run(["umount", "-l", str(self.path)], check=False)
        if self.server:
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()

    def complaints(self):
        """What is wrong with the server after its end, whatever the suite saw; nothing for tmpfs."""
        if self.server is None:
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        found = [line for line in lines if any(word in line for word in ALARMS)]
        if self.server.returncode != 0:
            busy = ", and the mount was busy after the suite's end" if self.was_busy else ""
            found.append(f"the server ended with {self.server.returncode}{busy}")
        return found


class Done:
    """How a command ended: `status` (124 when its time ran out) and `text`, all that it printed."""

    def __init__(self, status, text):
        self.status, self.text = status, text

    def tail(self, lines=3):
        return " | ".join(line.strip() for line in self.text.splitlines()[-lines:])


def run(command, seconds=120, cwd=None, env=None):
    """Runs it in a process group of its own, of which nothing is left afterwards."""
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, cwd=cwd, env={**os.environ, "LC_ALL": "C", **(env or {})},
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=seconds)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        status = 124
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return Done(status, output.decode(errors="replace"))
