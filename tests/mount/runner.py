#!/usr/bin/env python3
# runner: runs the scenarios of tests/mount, each a small shell script, on a mount and a simulated machine of its own.
#
#   tests/mount/runner.py [--on-tmpfs] [--options=WORDS] [--jobs N] [--results FILE] [PATH...]
#
# PATH is a script or a folder of scripts. --options="-o io_uring" runs them on mounts of another kind.
#
# A script finds itself in an empty folder, under `bash -eu -o pipefail -O inherit_errexit` with lib.sh read, and in its
# environment
#   MNT  where gmemfs is mounted        LOG    what the server said           GMEMFS  the command
#   SIZE bytes of simulated memory      TESTS  the folder of this file        BUILD   the build folder
# Comments at its top say what it wants:
#   # options: --capacity 64M     more arguments of `gmemfs mount`
#   # size: 256M                  of the simulated device (default 256M)
#   # mount: none                 the script mounts by itself, on $MNT or elsewhere below its folder
#   # env: NAME=VALUE            for server and script
#   # needs: fio                  commands without which the test is skipped
#   # user: nobody                script and server run as this user (needs root)
#   # server: killed              the script kills the server: any end of it is fine
#   # timeout: 120                seconds (default 60)
#   # rings                       mounted with -o io_uring; skipped where the kernel has that switched off
#   # posix                       true of every filesystem: --on-tmpfs runs it on tmpfs, whose behaviour is the standard
# Exit 77, with a line "skip: why", skips. Whatever the script says: the server must end with 0 after `gmemfs umount`,
# no process may be left, and no log may hold a sanitizer's report, "BUG" or "ASSERT".
import argparse, concurrent.futures, json, os, pwd, re, select, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

from system_log import SystemLog

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
SANITIZED = bool(os.environ.get("SANITIZE"))
SLOWER = 6 if SANITIZED else 1
ALARMS = re.compile(r"\bBUG\b|\bASSERT\b|ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:"
                    r"|terminate called|AddressSanitizer:DEADLYSIGNAL")


SWITCH = Path("/sys/module/fuse/parameters/enable_uring")


class Failure(Exception):
    """Says in one line why a test failed."""


class Skip(Exception):
    """Says in one line why a test was not run."""


def headers(script):
    found = {"options": "", "size": "256M", "mount": "yes", "needs": "", "user": "", "server": "", "timeout": "60",
             "env": ""}
    for line in script.read_text().splitlines():
        if not line.startswith("#"):
            break
        match = re.match(r"# (\w+)(?:: *(.*))?$", line)
        if match and match.group(1) in (*found, "posix", "rings"):
            found[match.group(1)] = match.group(2) or ""
    return found


def has_rings():
    return SWITCH.exists() and SWITCH.read_text().strip() == "Y"


def is_mounted(path):
    return any(line.split()[4] == str(path) for line in open("/proc/self/mountinfo", errors="surrogateescape"))


def wait_for_mount(path, server, seconds):
    """Woken by the kernel whenever the table of mounts changes."""
    with open("/proc/self/mountinfo", errors="surrogateescape") as table:
        poll = select.poll()
        poll.register(table, select.POLLPRI | select.POLLERR)
        ended = os.pidfd_open(server.pid)
        poll.register(ended, select.POLLIN)
        end = time.monotonic() + seconds
        try:
            while not is_mounted(path):
                if server.poll() is not None:
                    raise Failure(f"the server ended with {server.returncode} before it had mounted")
                if time.monotonic() > end:
                    raise Failure(f"not mounted after {seconds} s")
                poll.poll(1000)
        finally:
            os.close(ended)


def processes_of(machine):
    """Every process of a test, daemons too: they have its simulated machine in their environment."""
    mark = f"GMEMFS_SIM_MACHINE={machine}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                environment = Path("/proc", entry, "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark in environment:
                yield int(entry)


def wait_for_end(pid, seconds):
    try:
        ended = os.pidfd_open(pid)
    except OSError:
        return
    select.select([ended], [], [], max(0, seconds))
    os.close(ended)


class Tmpfs:
    """Stands in for gmemfs, to show that a scenario asks for no more than POSIX."""

    def __init__(self, test):
        self.test = test
        options = f"mode=755,size={test.want['size']}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", test.mnt], check=True)

    def stop(self):
        subprocess.run(["umount", self.test.mnt], check=True)


class Server:
    """`gmemfs mount -f` in a session of its own."""

    def __init__(self, test):
        self.test = test
        self.log = open(test.log, "ab")
        command = [test.env["GMEMFS"], "mount", str(test.mnt), "-f", f"--simulate={test.want['size']}",
                   *test.want["options"].split(), *(["-o", "io_uring"] if "rings" in test.want else []),
                   *test.more_options]
        self.process = subprocess.Popen(test.as_user(command), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env=test.env, cwd=test.dir, start_new_session=True)
        wait_for_mount(test.mnt, self.process, 20 * SLOWER)
        self.wait_for_broker(3 * SLOWER)

    def wait_for_broker(self, seconds):
        """The mount is there before the broker in it is; in the background `gmemfs mount` waits for both."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            if " broker " in self.test.log.read_text(errors="replace"):
                return
            time.sleep(0.002)

    def stop(self):
        killed = self.test.want["server"] == "killed"
        if is_mounted(self.test.mnt):
            discard = ["--discard"] if killed else []
            done = subprocess.run(self.test.as_user([self.test.env["GMEMFS"], "umount", *discard, str(self.test.mnt)]),
                                  env=self.test.env, capture_output=True, text=True, timeout=30 * SLOWER)
            if done.returncode != 0:
                raise Failure(f"gmemfs umount ended with {done.returncode}: {done.stdout}{done.stderr}".strip())
        try:
            status = self.process.wait(20 * SLOWER)
        except subprocess.TimeoutExpired:
            raise Failure("the server still ran 20 s after the unmount") from None
        if status != 0 and not killed:
            raise Failure(f"the server ended with {status}")


class Test:
    def __init__(self, script, work, arguments):
        self.script, self.on_tmpfs, self.system_log = script, arguments.on_tmpfs, arguments.system_log
        self.more_options = arguments.options.split()
        self.name = str(script.relative_to(HERE).with_suffix("")) if script.is_relative_to(HERE) else script.stem
        self.want = headers(script)
        self.machine = f"t{os.getpid()}-{self.name.replace('/', '.')}."  # which begins no other scenario's
        self.work = work / self.name.replace("/", ".")
        self.mnt, self.dir = self.work / "mnt", self.work / "dir"
        self.log, self.trace = self.work / "log", self.work / "trace"
        self.started = time.monotonic()
        sanitizer = f":log_path={self.work}/sanitizer"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("GMEMFS_")}, "LC_ALL": "C", "TZ": "UTC",
            "MNT": str(self.mnt), "LOG": str(self.log), "SIZE": self.want["size"], "TESTS": str(HERE),
            "BUILD": str(BUILD), "GMEMFS": str(arguments.gmemfs), "GMEMFS_SIM_MACHINE": self.machine,
            "GMEMFS_RUNTIME_DIR": str(self.work / "run"),
            **dict(pair.split("=", 1) for pair in self.want["env"].split()),
            **{name: os.environ[name] + sanitizer for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")
               if name in os.environ}}

    def as_user(self, command):
        user = self.want["user"]
        return ["setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", *command] if user else command

    def bash(self):
        return ["bash", "-eu", "-o", "pipefail", "-O", "inherit_errexit", "-c",
                'source "$TESTS/lib.sh"; set -x; source "$0"', str(self.script)]

    def prepare(self):
        for command in self.want["needs"].split():
            if not shutil.which(command):
                raise Skip(f"no {command} here")
        if not self.on_tmpfs and not os.access("/dev/fuse", os.F_OK):
            raise Skip("no /dev/fuse here")
        if "rings" in self.want and not has_rings():
            raise Skip(f"no FUSE over io_uring here: {SWITCH} doesn't say Y")
        for folder in (self.work, self.mnt, self.dir):
            folder.mkdir(mode=0o755)
        self.log.touch()
        if self.want["user"]:
            if os.getuid() != 0:
                raise Skip("changing the user needs root")
            who = pwd.getpwnam(self.want["user"])
            for path in (self.work, self.mnt, self.dir, self.log):
                os.chown(path, who.pw_uid, -1)
            if subprocess.run(self.as_user(["test", "-x", self.env["GMEMFS"]]), check=False).returncode:
                raise Skip(f"{self.want['user']} can't reach {self.env['GMEMFS']}")
            if not self.on_tmpfs and not os.path.exists("/etc/mtab"):
                raise Skip("no /etc/mtab here, without which fusermount3 unmounts nothing")
            if not self.on_tmpfs and subprocess.run(self.as_user(["test", "-w", "/dev/fuse"]), check=False).returncode:
                raise Skip(f"{self.want['user']} can't open /dev/fuse here")

    def run_script(self):
        limit = int(self.want["timeout"]) * SLOWER
        with open(self.trace, "wb") as trace:
            script = subprocess.Popen(self.as_user(self.bash()), stdin=subprocess.DEVNULL, stdout=trace, stderr=trace,
                                      env=self.env, cwd=self.dir, start_new_session=True)
            try:
                status = script.wait(limit)
            except subprocess.TimeoutExpired:
                raise Failure(f"timed out after {limit} s{self.last_command()}") from None
            finally:
                self.kill_group(script.pid)
        if status == 77:
            reasons = re.findall(r"^skip: (.*)$", self.trace.read_text(errors="replace"), re.M)
            raise Skip(reasons[-1] if reasons else "it gave no reason")
        if status != 0:
            raise Failure(f"the script ended with {status}{self.last_command()}")

    def last_command(self):
        """What bash's trace says last, so that a script whose commands say nothing doesn't fail without a word."""
        commands = [line.lstrip("+ ") for line in self.trace.read_text(errors="replace").splitlines()
                    if re.match(r"\++ (?!return |exit )", line)]
        return f"; its last command: {commands[-1][:200]}" if commands else "; it ran no command"

    @staticmethod
    def stop_quietly(server):
        try:
            if server:
                server.stop()
        except (Failure, subprocess.SubprocessError, OSError):
            pass

    @staticmethod
    def kill_group(group):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def sweep(self):
        """Ends what the test left behind, and says so."""
        left = []
        end = time.monotonic() + 5 * SLOWER
        for pid in list(processes_of(self.machine)):
            wait_for_end(pid, end - time.monotonic())
        for pid in list(processes_of(self.machine)):
            try:
                command = Path("/proc", str(pid), "cmdline").read_text(errors="replace").replace("\0", " ").strip()
                os.kill(pid, signal.SIGKILL)
                left.append(f"process {pid} ({command})")
            except OSError:
                continue
            wait_for_end(pid, 5)
        mounts = [line.split()[4] for line in open("/proc/self/mountinfo", errors="surrogateescape")]
        mounts = [path for path in mounts if path.startswith(f"{self.work}/")]
        for path in reversed(mounts):
            left.append(f"mount {path}")
            subprocess.run(["umount", "-l", path] if os.getuid() == 0 else ["fusermount3", "-uz", path], check=False)
        for table in Path("/dev/shm").glob(f"gmemfs-sim-*-{self.machine}*"):
            table.unlink()
        return left

    def logs(self):
        """Files of what was said; that of servers in the background is written now."""
        syslog = self.work / "syslog"
        if self.work.exists() and (lines := self.system_log.of(self.machine)):
            syslog.write_text("".join(f"{line}\n" for line in lines))
        return [path for path in [self.log, self.trace, syslog, *self.work.glob("sanitizer.*")] if path.exists()]

    def scan(self):
        for path in self.logs():
            for line in path.read_text(errors="replace").splitlines():
                if ALARMS.search(line) and not line.startswith("+"):
                    raise Failure(f"{path.name}: {line.strip()}")

    def run(self):
        """One of passed, failed, skipped; and why."""
        outcome, why = "passed", ""
        try:
            self.prepare()
            server = None if self.want["mount"] == "none" else (Tmpfs if self.on_tmpfs else Server)(self)
            try:
                self.run_script()
            except (Skip, Failure):
                self.stop_quietly(server)
                raise
            if server:
                server.stop()
        except Skip as skip:
            outcome, why = "skipped", str(skip)
        except (Failure, subprocess.SubprocessError, OSError) as failure:
            outcome, why = "failed", str(failure)
        left = self.sweep()
        if left and outcome == "passed":
            outcome, why = "failed", f"left behind: {', '.join(left)}"
        try:
            self.scan()
        except Failure as failure:
            outcome, why = "failed", str(failure)
        return {"name": self.name, "outcome": outcome, "why": why, "seconds": round(time.monotonic() - self.started, 2)}

    def keep(self):
        """What is needed to look into a failure, under build/mount-failures/NAME."""
        kept = BUILD / "mount-failures" / self.name.replace("/", ".")
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(parents=True)
        for path in self.logs():
            shutil.copy(path, kept)
        repro = kept / "repro.sh"
        variables = "".join(f"{name}={os.environ[name]!r} " for name in ("BUILD", "SANITIZE") if name in os.environ)
        repro.write_text(f"#!/bin/sh\n# {self.name} failed; log and trace of that run lie beside this file.\n"
                         f"cd '{ROOT}' && exec env {variables}tests/mount/runner.py '{self.script}'\n")
        repro.chmod(0o755)
        tails = ""
        for path in sorted(kept.iterdir()):
            if path != repro:
                lines = path.read_text(errors="replace").splitlines()[-25:]
                tails += f"    ---- {path.name}\n" + "".join(f"    {line[:300]}\n" for line in lines)
        return f"{tails}    again: {repro}"


def find_scripts(paths):
    for path in paths:
        path = Path(path).resolve()
        yield from sorted(path.glob("**/*.sh")) if path.is_dir() else [path]


def run_one(script, work, arguments):
    test = Test(script, work, arguments)
    result = test.run()
    word = {"passed": "ok    ", "failed": "FAILED", "skipped": "skip  "}[result["outcome"]]
    why = f": {result['why']}" if result["why"] else ""
    kept = f"\n{test.keep()}" if result["outcome"] == "failed" else ""
    print(f"{word} {test.name} ({result['seconds']} s){why}{kept}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description="Runs the scenarios of tests/mount.")
    parser.add_argument("--on-tmpfs", action="store_true", help="run those marked `# posix` on tmpfs, not on gmemfs")
    parser.add_argument("--options", default="", help="more arguments of each mount that this program makes")
    # They wait for half of their time: peers/ took 52 s with 2 on two cores, and 33 s with 4.
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) + 1)
    parser.add_argument("--gmemfs", type=Path, default=BUILD / "gmemfs", help="the command to test")
    parser.add_argument("--results", type=Path, help="write what happened there, as JSON")
    parser.add_argument("paths", nargs="*", default=[HERE])
    arguments = parser.parse_args()
    arguments.gmemfs = arguments.gmemfs.resolve()
    scripts = [path for path in find_scripts(arguments.paths or [HERE]) if path.name != "lib.sh"]
    if arguments.on_tmpfs:
        scripts = [path for path in scripts if "posix" in headers(path)]
    elif not os.access(arguments.gmemfs, os.X_OK):
        sys.exit(f"runner: no program {arguments.gmemfs}: run `make` first")
    work = Path(tempfile.mkdtemp(prefix="gmemfs-"))
    work.chmod(0o755)
    arguments.system_log = SystemLog()
    try:
        with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
            results = list(pool.map(lambda script: run_one(script, work, arguments), scripts))
    finally:
        arguments.system_log.close()
    shutil.rmtree(work, ignore_errors=True)
    count = {word: sum(r["outcome"] == word for r in results) for word in ("passed", "failed", "skipped")}
    print(f"mount: {count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    if arguments.results:
        arguments.results.write_text(json.dumps(results))
    sys.exit(1 if count["failed"] or not results else 0)


if __name__ == "__main__":
    main()
