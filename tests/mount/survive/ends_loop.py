#!/usr/bin/env python3
# ends_loop: a mount meets, at random and again and again, all that ends or half ends one: its server killed, its
# connection aborted (umount -f while it is busy; the abort file), its runtime folder removed, its server restarted,
# another's mount stacked on it or put in its place. After each round every file has to be as it was, and what others
# mounted has to be there.
#
#   tests/mount/survive/ends_loop.py [--rounds N] [--seed N] [--gmemfs PATH]       needs root
import argparse, hashlib, json, os, random, shutil, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 60


class Loop:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.random = random.Random(arguments.seed)
        self.mnt, self.run_folder, self.log = folder / "mnt", folder / "run", folder / "log"
        self.mnt.mkdir()
        os.environ["GMEMFS_RUNTIME_DIR"] = str(self.run_folder)
        self.files = {}
        self.counts = {}

    def gmemfs(self, *words, check=True):
        return subprocess.run([self.arguments.gmemfs, *map(str, words)], check=check, capture_output=True, text=True,
                              timeout=PATIENCE_S)

    def mount(self):
        self.gmemfs("mount", self.mnt, "--simulate=256M", f"--log={self.log}")

    def stats(self):
        return json.loads(os.getxattr(self.mnt, "user.gmemfs.stats"))

    def wait_until(self, holds, what):
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                if holds():
                    return
            except OSError:
                pass
            assert time.monotonic() < end, what
            time.sleep(0.02)

    def mounts(self):
        table = open("/proc/self/mountinfo", errors="surrogateescape")
        return [line.split() for line in table if line.split()[4].startswith(str(self.folder))]

    def change_files(self):
        for _ in range(3):
            name = f"f{self.random.randrange(6)}"
            if name in self.files and self.random.random() < 0.3:
                os.unlink(self.mnt / name)
                del self.files[name]
                continue
            data = self.random.randbytes(self.random.randrange(1, 3 << 20))
            (self.mnt / name).write_bytes(data)
            self.files[name] = hashlib.sha256(data).hexdigest()

    def compare(self):
        found = {name: hashlib.sha256((self.mnt / name).read_bytes()).hexdigest() for name in os.listdir(self.mnt)}
        assert found == self.files, f"{sorted(found)} instead of {sorted(self.files)}, or other bytes"

    # ---- what happens to it

    def kill_server(self):
        pid = self.stats()["server_pid"]
        os.kill(pid, 9)
        self.wait_until(lambda: self.stats()["server_pid"] != pid, "no other server came")

    def restart(self):
        self.gmemfs("restart", self.mnt)

    def abort(self):
        number = self.mounts()[-1][2].split(":")[1]
        Path(f"/sys/fs/fuse/connections/{number}/abort").write_text("1")
        self.wait_until(self.stats, "it was not mounted again")

    def umount_busy(self):
        with open(self.mnt / "busy", "w") as busy:
            self.files["busy"] = hashlib.sha256(b"").hexdigest()
            assert subprocess.run(["umount", "-f", self.mnt], capture_output=True, check=False).returncode == 32
            self.wait_until(self.stats, "it was not mounted again")
            try:
                busy.close()
            except OSError:
                pass

    def abort_and_kill(self):
        pid = self.stats()["server_pid"]
        number = self.mounts()[-1][2].split(":")[1]
        Path(f"/sys/fs/fuse/connections/{number}/abort").write_text("1")
        time.sleep(self.random.uniform(0, 1.2))
        os.kill(pid, 9)
        self.wait_until(lambda: self.stats()["server_pid"] != pid, "no other server came")

    def remove_runtime_folder(self):
        shutil.rmtree(self.run_folder)
        self.wait_until(lambda: list(self.run_folder.glob("*/keeper.sock")), "the folder was not made again")

    def kill_both(self):
        pid = self.stats()["server_pid"]
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(parent, 9)
        os.kill(pid, 9)
        self.wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server lives")
        assert self.gmemfs("umount", self.mnt, check=False).returncode == 1, "umount gave files up"
        self.mount()

    def stack(self):
        """Another's mount comes upon it, and one of the above happens to the server beneath."""
        pid = self.stats()["server_pid"]
        subprocess.run(["mount", "-t", "tmpfs", "others", self.mnt], check=True)
        (self.mnt / "theirs").write_text("theirs")
        if self.random.random() < 0.5:
            os.kill(pid, 9)
        assert (self.mnt / "theirs").read_text() == "theirs"
        subprocess.run(["umount", self.mnt], check=True)

    def replace(self):
        """Detached while it is busy, and another's mount in its place before it ends; then all begins anew."""
        pid = self.stats()["server_pid"]
        with open(self.mnt / "busy", "w"):
            subprocess.run(["umount", "-l", self.mnt], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "others", self.mnt], check=True)
            (self.mnt / "theirs").write_text("theirs")
        self.wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server lives on")
        assert (self.mnt / "theirs").read_text() == "theirs"
        subprocess.run(["umount", self.mnt], check=True)
        self.files = {}
        self.mount()

    def run(self):
        ways = [self.kill_server, self.restart, self.abort, self.umount_busy, self.abort_and_kill,
                self.remove_runtime_folder, self.kill_both, self.stack, self.replace]
        self.mount()
        try:
            for number in range(self.arguments.rounds):
                self.change_files()
                way = self.random.choice(ways)
                self.counts[way.__name__] = self.counts.get(way.__name__, 0) + 1
                try:
                    way()
                    self.compare()
                except (AssertionError, OSError, subprocess.SubprocessError) as error:
                    print(f"round {number}, seed {self.arguments.seed}: {way.__name__}: {error}\n"
                          f"{self.log.read_text()[-3000:]}")
                    return 1
            self.gmemfs("umount", self.mnt)
        finally:
            for place in reversed([mount[4] for mount in self.mounts()]):
                subprocess.run(["umount", "-l", place], check=False)
        print(f"ends_loop: seed {self.arguments.seed}: {self.arguments.rounds} rounds, nothing lost: {self.counts}")
        return 0


def main():
    parser = argparse.ArgumentParser(description="Half ends a mount again and again, and compares.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261129)
    parser.add_argument("--gmemfs", default=str(ROOT / "build/gmemfs"))
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gmemfs-ends-"))
    status = Loop(arguments, folder).run()
    if status == 0:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


main()
