"""Recovery: how long nobody is answered when the server is killed, with many files and with large ones; its cost.

The way of the supervisor: SIGKILL to the server, until a name that the kernel doesn't know is answered, and until the
descriptor that was open all along reads. The way of mount: the supervisor dies, too, and `gmemfs mount` brings all
back. A server answers nothing before everything is restored, so that the first answer is also the end of it.
The journal's cost: creates, small writes that make files longer, and unlinks a second, with the keeper and without.
"""
import contextlib
import json
import os
import select
import signal
import statistics
import subprocess
import tempfile
import time

from places import GIB, MIB, find_program, mounted_gmemfs, read_stats

FILES = 100_000
FOLDERS = 20
SMALL = 1000         # bytes: lies in a slot
LARGE_EVERY = 1000   # the n-th file has an extent of its own
LARGE = 2 * MIB
CHANGES = 1_000_000  # of names, on a GPU machine: what becomes of the journal
KEEPERS = ("with a keeper", "without")


@contextlib.contextmanager
def own_runtime_folder():
    """So that the one journal in it is ours."""
    before = os.environ.get("GMEMFS_RUNTIME_DIR")
    with tempfile.TemporaryDirectory(prefix="gmemfs-bench-run.") as path:
        os.environ["GMEMFS_RUNTIME_DIR"] = path
        try:
            yield path
        finally:
            if before is None:
                del os.environ["GMEMFS_RUNTIME_DIR"]
            else:
                os.environ["GMEMFS_RUNTIME_DIR"] = before


def journal_size(runtime):
    return sum(os.path.getsize(os.path.join(folder, "journal"))
               for folder, _, names in os.walk(runtime) if "journal" in names)


def fill(mount, files):
    for number in range(FOLDERS):
        os.mkdir(os.path.join(mount, f"d{number}"))
    for number in range(files):
        with open(os.path.join(mount, f"d{number % FOLDERS}", f"f{number}"), "wb", buffering=0) as file:
            file.write(b"%019d\n" % number * (SMALL // 20))
            if number % LARGE_EVERY == LARGE_EVERY - 1:
                file.truncate(LARGE)


def fill_large(mount, size):
    """Files of 16 GiB at the most, each with its number at its beginning and its end."""
    number = 0
    while size > 0:
        length = min(size, 16 * GIB)
        fd = os.open(os.path.join(mount, f"large{number}"), os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(fd, 0, length)
        for offset in (0, length - 8):
            os.pwrite(fd, b"%08d" % number, offset)
        os.close(fd)
        size -= length
        number += 1


def check(mount, files):
    """Every name, and the contents of some; the large files' ends."""
    names = sum(len(os.listdir(os.path.join(mount, f"d{number}"))) for number in range(FOLDERS if files else 0))
    assert names == files, f"{names} of {files} files are there"
    for number in range(0, files, 997):
        with open(os.path.join(mount, f"d{number % FOLDERS}", f"f{number}"), "rb") as file:
            assert file.read(SMALL) == b"%019d\n" % number * (SMALL // 20), f"file {number} holds something else"
    for name in os.listdir(mount):
        if name.startswith("large"):
            with open(os.path.join(mount, name), "rb", buffering=0) as file:
                head = file.read(8)
                file.seek(-8, os.SEEK_END)
                assert head == file.read(8) == b"%08d" % int(name[5:]), f"{name} holds something else"


def kill(pid):
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([ended], [], [])
    os.close(ended)


def supervisor_of(server):
    with open(f"/proc/{server}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


def one_recovery(mount, way, command, number):
    """Seconds from SIGKILL until a name that the kernel can't know is answered, and until an open file reads."""
    server = read_stats(mount)["server_pid"]
    fd = os.open(os.path.join(mount, "open"), os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b"before", 0)
    if way == "mount":
        os.close(fd)
        kill(supervisor_of(server))
        kill(server)
        start = time.perf_counter()
        subprocess.run(command, check=True)
        fd = os.open(os.path.join(mount, "open"), os.O_RDWR)
    else:
        start = time.perf_counter()
        os.kill(server, signal.SIGKILL)
    assert not os.path.exists(os.path.join(mount, f"nobody-{way}-{number}"))
    answered = time.perf_counter() - start
    assert os.pread(fd, 6, 0) == b"before"
    read = time.perf_counter() - start
    os.close(fd)
    assert read_stats(mount)["server_pid"] != server
    return {"answered": answered, "read": read}


def recoveries(context, what, files, size):
    with own_runtime_folder() as runtime, mounted_gmemfs(context.mount_options) as mount:
        fill(mount, files) if files else fill_large(mount, size)
        command = [find_program("gmemfs"), "mount", mount, *context.mount_options]
        figures = {"files": files, "bytes": size, "journal_bytes": journal_size(runtime)}
        for way in ("supervisor", "mount"):
            rounds = []
            for number in range(context.rounds):
                rounds.append(one_recovery(mount, way, command, number))
                check(mount, files)
            figures[way] = {name: statistics.median(times[name] for times in rounds) for name in rounds[0]}
            figures[way]["longest"] = max(times["read"] for times in rounds)
            print(f"{what}, {way}: answered after {figures[way]['answered']:.3f} s, an open file read after"
                  f" {figures[way]['read']:.3f} s (medians of {context.rounds}), longest"
                  f" {figures[way]['longest']:.3f} s; journal {figures['journal_bytes'] / MIB:.1f} MiB")
    return figures


def changes_a_second(mount, count):
    start = time.perf_counter()
    fds = [os.open(os.path.join(mount, f"c{number}"), os.O_CREAT | os.O_WRONLY) for number in range(100)]
    for fd in fds:
        os.close(fd)
    for number in range(100, count):
        os.close(os.open(os.path.join(mount, f"c{number}"), os.O_CREAT | os.O_WRONLY))
    creates = count / (time.perf_counter() - start)
    fd = os.open(os.path.join(mount, "c0"), os.O_WRONLY)
    start = time.perf_counter()
    for number in range(count):
        os.pwrite(fd, b"x" * 64, number * 64)
    writes = count / (time.perf_counter() - start)
    os.close(fd)
    start = time.perf_counter()
    for number in range(count):
        os.unlink(os.path.join(mount, f"c{number}"))
    return {"creates": creates, "writes": writes, "unlinks": count / (time.perf_counter() - start)}


def journal_cost(context):
    count = 5000 if context.on_gpu else 1000
    rates = {keeper: [] for keeper in KEEPERS}
    with own_runtime_folder():
        for _ in range(context.rounds):
            for keeper in KEEPERS:
                options = [] if keeper == KEEPERS[0] else ["--keeper=off"]
                with mounted_gmemfs([*context.mount_options, *options]) as mount:
                    rates[keeper].append(changes_a_second(mount, count))
    figures = {keeper: {name: statistics.median(rate[name] for rate in told) for name in told[0]}
               for keeper, told in rates.items()}
    for name in figures[KEEPERS[0]]:
        on, off = figures[KEEPERS[0]][name], figures[KEEPERS[1]][name]
        print(f"{name} a second: {on:.0f} with a keeper, {off:.0f} without ({on / off:.2f})")
    return figures


def journal_growth(context):
    """The largest and the last size of the journal over many changes of names that leave nothing behind."""
    changes = CHANGES if context.on_gpu else 100_000
    with own_runtime_folder() as runtime, mounted_gmemfs(context.mount_options) as mount:
        largest = 0
        name = os.path.join(mount, "again")
        for number in range(changes // 2):
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
            os.unlink(name)
            if number % 1000 == 0:
                largest = max(largest, journal_size(runtime))
        last = journal_size(runtime)
    print(f"journal over {changes} changes: {max(largest, last) / MIB:.1f} MiB at the most,"
          f" {last / MIB:.1f} at the end")
    return {"changes": changes, "largest": max(largest, last), "last": last}


def bench_recovery(context):
    print()
    files = context.files or (FILES if context.on_gpu else 2000)
    size = context.recovery_size or (100 * GIB if context.on_gpu else GIB)
    figures = {"files": recoveries(context, f"{files} files", files, 0),
               "size": recoveries(context, f"{size // MIB} MiB", 0, size),
               "cost": journal_cost(context), "growth": journal_growth(context)}
    print(json.dumps(figures))
    return figures
