#!/usr/bin/env python3
# kill_loop: several processes change files at random, each beside a model of what it did; the server is killed at a
# random moment and comes back; then everything is compared: nothing acknowledged is lost, nothing is invented.
#
#   tests/mount/survive/kill_loop.py [--rounds N] [--seed N] [--processes N] [--way mount|supervisor] [--gmemfs FILE]
#                                    [--peers N]
#
# `--peers N`: N peers live from the first round to the last, whatever becomes of the server. Each has a file of its own
# mapped, and writes to it, seals it, and writes again: what it wrote is never undone, not by the scrubber, either,
# whose passes come every second. All of them try to have one file alone, now and then: never two at a time.
#
# The operation that was under way when the server died may have happened or not; a write may have happened in part.
# `--way mount`: the mount point is dead until `gmemfs mount` is called again. `--way supervisor`: the supervisor brings
# the server back by itself, and no process may see an error, not even one whose request was in the server's hands; but
# for EIO at the instant of the kill, which the kernel answers by itself where it copies a request to the server, or an
# answer from there, and can't go on (fuse_dev_do_read and fuse_dev_do_write of its fs/fuse/dev.c). Those are counted.
import argparse, errno, json, multiprocessing, os, random, select, shutil, signal, stat, subprocess, sys, tempfile
import time
from pathlib import Path

sys.path[:0] = (str(Path(__file__).resolve().parents[1] / folder) for folder in ("peers", "cold"))
from control import pack, wake

ROOT = Path(__file__).resolve().parents[3]
# ECANCELED: Linux, of a request that was on its way to a ring of the server.
DEAD = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ECONNREFUSED, errno.EINTR, errno.ECANCELED}
NAMES = 8
LARGEST = 3 << 20
INSTANT_S = 0.1


def has_copies(path):
    return "user.gmemfs.replicas_wanted" in os.listxattr(path) and os.getxattr(path, "user.gmemfs.replicas") != b"none"


class Node:
    """What a name stands for: two names of one file share it."""

    def __init__(self, kind):
        self.kind, self.data, self.mode, self.xattrs, self.target = kind, bytearray(), 0o644, {}, ""

    def copy(self):
        other = Node(self.kind)
        other.data, other.mode, other.xattrs, other.target = (bytearray(self.data), self.mode, dict(self.xattrs),
                                                              self.target)
        return other


class Worker:
    """One process, one folder, one model: path below the folder -> Node."""

    def __init__(self, folder, seed, nodes):
        self.folder, self.random, self.nodes = folder, random.Random(seed), nodes
        self.count = 0
        self.eio_in = (0.0, 0.0)  # when the operation began that got EIO, and when it ended
        self.changed = []  # what the operation under way touches: (path, node before, node after); None: not there

    def real(self, path):
        return os.path.join(self.folder, path)

    def free(self):
        parents = [""] + [path for path, node in self.nodes.items() if node.kind == "dir" and "/" not in path]
        return os.path.join(self.random.choice(parents), f"n{self.random.randrange(NAMES)}")

    def pick(self, *kinds):
        found = sorted(path for path, node in self.nodes.items() if node.kind in kinds)
        return self.random.choice(found) if found else None

    def run(self, seconds):
        operations = [self.create, self.create, self.write, self.write, self.write, self.append, self.truncate,
                      self.unlink, self.rename, self.link, self.mkdir, self.rmdir, self.symlink, self.setxattr,
                      self.chmod, self.copy, self.pack, self.unpack]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.changed = []
            operation = self.random.choice(operations)
            began = time.monotonic()
            try:
                operation()
            except OSError as error:
                if error.errno not in DEAD:
                    raise
                if error.errno == errno.EIO:
                    self.eio_in = (began, time.monotonic())
                return f"{operation.__name__}: {os.strerror(error.errno)}"
            for path, _, after in self.changed:
                if after is None:
                    self.nodes.pop(path, None)
                else:
                    self.nodes[path] = after
            self.changed = []
            self.count += 1
        return None

    def names_of(self, node):
        return [path for path, other in self.nodes.items() if other is node]

    def plan(self, *changes):
        self.changed = list(changes)

    def change(self, node, after):
        self.plan(*[(path, node, after) for path in self.names_of(node)])

    def create(self):
        path = self.free()
        if path in self.nodes:
            return
        node = Node("file")
        self.plan((path, None, node))
        os.close(os.open(self.real(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))

    def write_at(self, path, offset, size):
        node = self.nodes[path]
        after = node.copy()
        if len(after.data) < offset:
            after.data.extend(bytes(offset - len(after.data)))
        bytes_ = self.random.randbytes(size)
        after.data[offset:offset + size] = bytes_
        fd = os.open(self.real(path), os.O_WRONLY)
        try:
            self.change(node, after)
            assert os.pwrite(fd, bytes_, offset) == size
        finally:
            try:
                os.close(fd)
            except OSError:
                pass

    def write(self):
        path = self.pick("file")
        if path is not None:
            self.write_at(path, self.random.randrange(LARGEST), self.random.choice([1, 100, 4096, 70000, 300000]))

    def append(self):
        path = self.pick("file")
        if path is not None and len(self.nodes[path].data) < LARGEST:
            self.write_at(path, len(self.nodes[path].data), self.random.choice([1, 5000, 200000]))

    def truncate(self):
        path = self.pick("file")
        if path is None:
            return
        node, after = self.nodes[path], self.nodes[path].copy()
        size = self.random.choice([0, self.random.randrange(LARGEST)])
        after.data = after.data[:size] + bytes(max(0, size - len(after.data)))
        self.change(node, after)
        os.truncate(self.real(path), size)

    def unlink(self):
        path = self.pick("file", "link")
        if path is not None:
            self.plan((path, self.nodes[path], None))
            os.unlink(self.real(path))

    def rename(self):
        path, target = self.pick("file", "link"), self.free()
        if path is None or path == target or (target in self.nodes and self.nodes[target].kind == "dir"):
            return
        if target in self.nodes and self.nodes[target] is self.nodes[path]:
            return
        self.plan((path, self.nodes[path], None), (target, self.nodes.get(target), self.nodes[path]))
        os.rename(self.real(path), self.real(target))

    def link(self):
        path, target = self.pick("file"), self.free()
        if path is not None and target not in self.nodes:
            self.plan((target, None, self.nodes[path]))
            os.link(self.real(path), self.real(target))

    def mkdir(self):
        path = f"d{self.random.randrange(3)}"
        if path not in self.nodes:
            self.plan((path, None, Node("dir")))
            os.mkdir(self.real(path))

    def rmdir(self):
        path = self.pick("dir")
        if path is not None and not any(other.startswith(path + "/") for other in self.nodes):
            self.plan((path, self.nodes[path], None))
            os.rmdir(self.real(path))

    def symlink(self):
        path = self.free()
        if path not in self.nodes:
            node = Node("link")
            node.target = f"to-{self.random.randrange(1000)}"
            self.plan((path, None, node))
            os.symlink(node.target, self.real(path))

    def setxattr(self):
        path = self.pick("file")
        if path is None:
            return
        node, after = self.nodes[path], self.nodes[path].copy()
        name = f"user.a{self.random.randrange(3)}"
        if name in after.xattrs and self.random.random() < 0.5:
            del after.xattrs[name]
            self.change(node, after)
            os.removexattr(self.real(path), name)
        else:
            after.xattrs[name] = self.random.randbytes(20)
            self.change(node, after)
            os.setxattr(self.real(path), name, after.xattrs[name])

    def chmod(self):
        path = self.pick("file")
        if path is not None:
            node, after = self.nodes[path], self.nodes[path].copy()
            after.mode = self.random.choice([0o600, 0o644, 0o755])
            self.change(node, after)
            os.chmod(self.real(path), after.mode)

    def pack(self):
        path = self.pick("file")
        if path is not None:
            pack(self.real(path))

    def unpack(self):
        path = self.pick("file")
        if path is not None:
            wake(self.real(path))

    def copy(self):
        source, target = self.pick("file"), self.pick("file")
        if source is None or self.nodes[source] is self.nodes[target] or not self.nodes[source].data:
            return
        node, after = self.nodes[target], self.nodes[target].copy()
        count = min(len(self.nodes[source].data), 500000)
        after.data[0:count] = self.nodes[source].data[:count]
        from_fd, to_fd = os.open(self.real(source), os.O_RDONLY), os.open(self.real(target), os.O_WRONLY)
        try:
            self.change(node, after)
            done = os.copy_file_range(from_fd, to_fd, count, 0, 0)
            assert done == count, (done, count)
        finally:
            for fd in (from_fd, to_fd):
                try:
                    os.close(fd)
                except OSError:
                    pass


def observe(path):
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        return Node("dir")
    if stat.S_ISLNK(status.st_mode):
        node = Node("link")
        node.target = os.readlink(path)
        return node
    node = Node("file")
    node.mode = stat.S_IMODE(status.st_mode)
    ours = {"user.allocation_size", "user.gmemfs.replicas_wanted"}
    node.xattrs = {name: os.getxattr(path, name) for name in os.listxattr(path) if name not in ours}
    node.data = bytearray(Path(path).read_bytes())
    return node


def same(seen, wanted):
    if seen is None or wanted is None:
        return seen is wanted
    if seen.kind != wanted.kind:
        return False
    return (seen.kind != "file" and seen.target == wanted.target) or (
        seen.kind == "file" and (seen.data, seen.mode, seen.xattrs) == (wanted.data, wanted.mode, wanted.xattrs))


def partly(seen, before, after):
    """A write that was under way: each byte is the old or the new one, the size between the two."""
    if None in (seen, before, after) or not seen.kind == before.kind == after.kind == "file":
        return False
    sizes = sorted([len(before.data), len(after.data)])
    if not sizes[0] <= len(seen.data) <= sizes[1] or seen.mode != after.mode or seen.xattrs != after.xattrs:
        return False
    old = before.data + bytes(sizes[1] - len(before.data))
    new = after.data + bytes(sizes[1] - len(after.data))
    return all(byte in (old[at], new[at]) for at, byte in enumerate(seen.data))


def describe(node):
    if node is None:
        return "nothing"
    return f"{node.kind} of {len(node.data)} bytes, mode {node.mode:o}, {sorted(node.xattrs)} {node.target}"


def compare(folder, nodes, changed):
    """Errors; and `nodes` becomes what is there, where what was under way could end in two ways."""
    errors, seen = [], {}
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(root, name)
            seen[os.path.relpath(path, folder)] = path
    uncertain = {path: (before, after) for path, before, after in changed}
    for path in sorted(set(seen) | set(nodes) | set(uncertain)):
        there = observe(seen[path]) if path in seen else None
        wanted = nodes.get(path)
        if same(there, wanted):
            continue
        if path in uncertain:
            before, after = uncertain[path]
            if same(there, after) or partly(there, before, after):
                continue
            errors.append(f"{path}: {describe(there)}, neither {describe(before)} nor {describe(after)}")
        else:
            errors.append(f"{path}: {describe(there)} instead of {describe(wanted)}")
            if there and wanted and there.kind == wanted.kind == "file" and len(there.data) == len(wanted.data):
                wrong = [at for at, byte in enumerate(there.data) if byte != wanted.data[at]]
                if wrong:
                    errors.append(f"  {len(wrong)} wrong bytes, from {wrong[0]} to {wrong[-1]}")
    return errors


def adopt(folder, nodes, changed):
    """The model after an operation that ended one way or the other."""
    shared = {}
    for path, _, _ in changed:
        nodes.pop(path, None)
    for path, _, _ in changed:
        if os.path.lexists(os.path.join(folder, path)):
            status = os.lstat(os.path.join(folder, path))
            known = [other for other in nodes if not stat.S_ISDIR(status.st_mode) and
                     os.lstat(os.path.join(folder, other)).st_ino == status.st_ino]
            if known:
                shared.setdefault(status.st_ino, nodes[known[0]])
            nodes[path] = shared.setdefault(status.st_ino, observe(os.path.join(folder, path)))


def work(folder, seed, nodes, seconds, pipe):
    worker = Worker(folder, seed, nodes)
    try:
        stopped_by = worker.run(seconds)
        pipe.send((worker.nodes, worker.changed if stopped_by else [], worker.count, stopped_by,
                   worker.eio_in, None))
    except Exception as error:  # pylint: disable=broad-except
        pipe.send((worker.nodes, worker.changed, worker.count, None, (0.0, 0.0), f"{type(error).__name__}: {error}"))


class Peer:
    """A process that maps files. Nothing of the driver is in the loop's own process, which forks."""

    def __init__(self, *arguments):
        spawn = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawn.Pipe()
        self.process = spawn.Process(target=live, args=(*arguments, theirs))
        self.process.start()

    def ask(self, what):
        self.pipe.send(what)
        return self.pipe.recv()


def live(index, mnt, seed, way, pipe):
    """A peer's life: it works until it is asked, answers with what is wrong, and works again."""
    import gmemfs
    from lives import peek, poke
    rng, size = random.Random(seed), 1 << 20
    path, contested = f"{mnt}/peers/{index}", f"{mnt}/peers/alone"
    mapping, model = gmemfs.open(path).map(), bytearray(size)
    poke(mapping.address, model)
    errors, counts = [], {"writes": 0, "seals": 0, "alone": 0, "busy": 0, "unanswered": 0}
    # A supervisor's mount is always there, but for what the kernel answers by itself. Without one it is another mount.
    borne = {errno.EIO} if way == "supervisor" else DEAD | {errno.ENOENT, errno.ECONNRESET}

    def write():
        offset, data = rng.randrange(size - 70000), rng.randbytes(rng.choice([1, 6, 4096, 70000]))
        model[offset:offset + len(data)] = data
        poke(mapping.address + offset, data)
        counts["writes"] += 1

    def look():
        seen = peek(mapping.address, size)
        if seen != model:
            wrong = [at for at in range(size) if seen[at] != model[at]]
            errors.append(f"{len(wrong)} bytes of a peer's were undone, from {wrong[0]} to {wrong[-1]}")
            model[:] = seen

    def seal():
        gmemfs.open(path).seal()
        counts["seals"] += 1

    def map_again():
        with gmemfs.open(path).map() as other:
            if peek(other.address, size) != model:
                errors.append("another mapping has other bytes")

    def be_alone():
        try:
            alone = gmemfs.open(contested).map(exclusive=True)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            counts["busy"] += 1
            return
        # Who has the file alone has its first bytes alone: they are another one's, or nobody's, only by a mistake.
        mine = b"%8d" % (index + 1)
        if peek(alone.address, 8) not in (bytes(8), mine):
            errors.append(f"two peers have a file alone: {peek(alone.address, 8)}")
        poke(alone.address, mine)
        time.sleep(rng.uniform(0, 0.02))
        if peek(alone.address, 8) != mine:
            errors.append(f"two peers have a file alone: {peek(alone.address, 8)}")
        poke(alone.address, bytes(8))
        counts["alone"] += 1
        alone.unmap()

    pipe.send("ready")
    while True:
        while not pipe.poll(rng.uniform(0, 0.01)):
            try:
                rng.choice([write, write, write, look, seal, map_again, be_alone])()
            except OSError as error:
                if error.errno not in borne:
                    errors.append(f"{type(error).__name__}: {error}")
                counts["unanswered"] += 1
        what = pipe.recv()
        if what == "end":
            mapping.unmap()
            pipe.send(counts)
            return
        look()
        pipe.send((errors, counts))
        errors = []


class Loop:
    def __init__(self, arguments):
        self.arguments = arguments
        self.random = random.Random(arguments.seed)
        self.mnt = arguments.mount_point
        self.command = [arguments.gmemfs, "mount", self.mnt, *arguments.options.split()]
        self.models = [{} for _ in range(arguments.processes)]
        self.operations, self.stopped, self.recovery_s = 0, 0, []
        self.peers = []

    def stats(self):
        return json.loads(os.getxattr(self.mnt, "user.gmemfs.stats"))

    def stats_at_death(self, killed_at):
        """The kernel's own EIO can be this process's, too."""
        while True:
            try:
                return self.stats()
            except OSError as error:
                if error.errno != errno.EIO or time.monotonic() > killed_at + INSTANT_S:
                    raise

    def mount(self):
        subprocess.run(self.command, check=True, timeout=60)

    @staticmethod
    def kill_supervisor(server):
        parent = Path(f"/proc/{server}/stat").read_text().rsplit(")", 1)[1].split()[1]
        if Path(f"/proc/{parent}/comm").read_text().strip() == "gmemfs":
            ended = os.pidfd_open(int(parent))
            os.kill(int(parent), signal.SIGKILL)
            select.select([ended], [], [])
            os.close(ended)

    def round(self, number):
        processes = []
        pid = self.stats()["server_pid"]
        delay = self.random.uniform(0.01, 0.25)
        # The supervisor's way goes on working until well after the server is back.
        seconds = 5 if self.arguments.way == "mount" else delay + 0.4
        for index, model in enumerate(self.models):
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.Process(target=work, args=(
                os.path.join(self.mnt, f"p{index}"), self.random.randrange(1 << 30), model, seconds, theirs))
            process.start()
            processes.append((process, ours))
        time.sleep(delay)
        if self.arguments.way == "mount":
            self.kill_supervisor(pid)
        killed_at = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        start = time.monotonic()
        if self.arguments.way == "mount":
            results = [pipe.recv() for _, pipe in processes]
            start = time.monotonic()
            self.mount()
        else:
            assert self.stats_at_death(killed_at)["server_pid"] != pid
        self.recovery_s.append(time.monotonic() - start)
        if self.arguments.way != "mount":
            results = [pipe.recv() for _, pipe in processes]
        errors = []
        for index, (process, _) in enumerate(processes):
            process.join()
            nodes, changed, count, stopped_by, eio_in, failure = results[index]
            self.operations += count
            self.stopped += stopped_by is not None
            if failure:
                errors.append(f"process {index}: {failure}")
                continue
            # Under way at that instant: on a machine with much to do it may hear of it only later.
            is_kernels = eio_in[0] - INSTANT_S < killed_at < eio_in[1] + INSTANT_S
            if stopped_by and self.arguments.way != "mount" and not is_kernels:
                errors.append(f"process {index}: it saw the server's death: {stopped_by}")
            folder = os.path.join(self.mnt, f"p{index}")
            errors += [f"process {index}: {error}" for error in compare(folder, nodes, changed)]
            adopt(folder, nodes, changed)
            self.models[index] = nodes
        errors += self.hear_peers()
        # Memory: what the files have, and nothing of what was made and never recorded.
        files = {}
        for root, _, names in os.walk(self.mnt):
            for name in names:
                path = os.path.join(root, name)
                if not os.path.islink(path):
                    os.getxattr(path, "user.allocation_size")  # settles it
                    pieces = json.loads(os.getxattr(path, "user.gmemfs.extents"))
                    copies = len(os.getxattr(path, "user.gmemfs.replicas").split(b",")) if has_copies(path) else 0
                    files[os.stat(path).st_ino] = sum(piece["length"] for piece in pieces) * (1 + copies)
        stats = self.stats()
        used = stats["used"] - stats["shared"]["extents"] + stats["shared"]["slots"]
        if used != sum(files.values()) and not self.peers:  # of theirs parity counts, too
            errors.append(f"{used} bytes are in use, and {sum(files.values())} are in files")
        for error in errors:
            print(f"round {number}: {error}")
        return not errors

    def begin_peers(self):
        os.mkdir(os.path.join(self.mnt, "peers"))
        if self.arguments.peers:
            os.setxattr(os.path.join(self.mnt, "peers"), "user.gmemfs.ecc", b"on")
        for name in ["alone", *range(self.arguments.peers)]:
            with open(os.path.join(self.mnt, "peers", str(name)), "wb") as file:
                file.truncate(2 << 20)
        self.peers = [Peer(index, self.mnt, self.random.randrange(1 << 30), self.arguments.way)
                      for index in range(self.arguments.peers)]
        for peer in self.peers:
            assert peer.pipe.recv() == "ready"

    def hear_peers(self):
        """What is wrong with them, or with what the server says of their files."""
        errors = []
        for index, peer in enumerate(self.peers):
            for error in peer.ask("look")[0]:
                errors.append(f"peer {index}: {error}")
            state = os.getxattr(os.path.join(self.mnt, "peers", str(index)), "user.gmemfs.ecc")
            if state != b"open":
                errors.append(f"peer {index}: the parity of its file is {state.decode()} while it may write")
        scrub = self.stats()["scrub"]
        if self.peers and (scrub["blocks_repaired"] or scrub["blocks_damaged"]):
            errors.append(f"the scrubber has undone what a peer wrote: {scrub}")
        return errors

    def end_peers(self):
        """How much they did; and that nothing is left of them."""
        done = [peer.ask("end") for peer in self.peers]
        for peer in self.peers:
            peer.process.join()
        if done:
            while self.stats()["leases"]:
                time.sleep(0.01)
            total = {word: sum(each[word] for each in done) for word in done[0]}
            print("kill_loop: peers:", ", ".join(f"{count} {word}" for word, count in total.items()))
            assert total["alone"] > 0 and total["seals"] > 0, total

    def run(self):
        self.mount()
        for name in "device", "replicas":
            wish = self.arguments.place if name == "device" else self.arguments.replicas
            if wish:
                os.setxattr(self.mnt, f"user.gmemfs.{name}", wish.encode())
        try:
            self.begin_peers()
            for index in range(self.arguments.processes):
                os.mkdir(os.path.join(self.mnt, f"p{index}"))
            for number in range(self.arguments.rounds):
                if not self.round(number):
                    return 1
            self.end_peers()
        finally:
            for peer in self.peers:
                peer.process.kill()
            subprocess.run([self.arguments.gmemfs, "umount", "--lazy", self.mnt], check=False)
        recovery = sorted(self.recovery_s)
        print(f"kill_loop: seed {self.arguments.seed}: {self.arguments.rounds} rounds, {self.operations} operations, "
              f"{self.stopped} of them in the server's hands when it died; "
              f"back after {recovery[len(recovery) // 2]:.3f} s (median), {recovery[-1]:.3f} s (longest)")
        return 0


def main():
    parser = argparse.ArgumentParser(description="Kills the server again and again, and compares.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--way", choices=["mount", "supervisor"], default="mount")
    parser.add_argument("--peers", type=int, default=0)
    parser.add_argument("--gmemfs", default=str(ROOT / "build/gmemfs"))
    parser.add_argument("--mount-point", help="an empty folder; one of its own where none is given")
    parser.add_argument("--place", help="user.gmemfs.device of all files, say spread")
    parser.add_argument("--replicas", help="user.gmemfs.replicas of all files, say all")
    parser.add_argument("--options", default="--simulate=512M", help="of gmemfs mount")
    arguments = parser.parse_args()
    if arguments.peers:
        arguments.options += " --scrub-every=1"
    if arguments.mount_point:
        sys.exit(Loop(arguments).run())
    work_folder = tempfile.mkdtemp(prefix="gmemfs-kill-")
    os.environ.setdefault("GMEMFS_RUNTIME_DIR", os.path.join(work_folder, "run"))
    arguments.mount_point = os.path.join(work_folder, "mnt")
    os.mkdir(arguments.mount_point)
    status = Loop(arguments).run()
    shutil.rmtree(work_folder, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
