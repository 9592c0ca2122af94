"""Block size: what programs that follow st_blksize make of 128 KiB, 256 KiB and 1 MiB: copies by cp, cat and dd, Python
reading in order, and Python reading little here and there."""
import contextlib
import io
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import zipfile

from places import KIB, MIB, mounted_gmemfs, read_stats, run_json, time_us

SIZES = (128 * KIB, 256 * KIB, MIB)
SEEKS, MEMBERS = 1000, 300
# Each in a process of its own, as a user's would be, which times itself: the interpreter's start isn't the mount's.
READERS = {
    "Python, in order": """
with open(path, "rb") as file:
    while file.read(65536): pass""",
    f"Python, {SEEKS} times 16 bytes": f"""
choose = random.Random(1)
with open(path, "rb") as file:
    for _ in range({SEEKS}):
        file.seek(choose.randrange(size - 16)); file.read(16)""",
    f"zipfile, {MEMBERS} members": """
with zipfile.ZipFile(path + ".zip") as archive:
    names = archive.namelist()
    random.Random(1).shuffle(names)
    for name in names: archive.read(name)""",
}


def python_us(act, path, size):
    program = f"""
import os, random, time, zipfile
path, size = {path!r}, {size}
began = time.perf_counter_ns()
{act}
print((time.perf_counter_ns() - began) / 1000)"""
    return run_json(sys.executable, "-c", program)


def processor_us(server):
    """What the server and our children have taken of the processors so far."""
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    threads = pathlib.Path(f"/proc/{server}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e3 + (ours.ru_utime + ours.ru_stime) * 1e6


def measure(mount, source, size):
    """Each case: microseconds, those of a processor, and the bytes that the server moved."""
    inside = os.path.join(mount, "file")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(inside)
    cases = {"cp in": lambda: time_us(lambda: subprocess.run(["cp", source, inside], check=True))}
    for name, command in (("cp out", ["cp", inside, "/dev/null"]), ("cat", ["cat", inside]),
                          ("dd bs=64K", ["dd", f"if={inside}", "of=/dev/null", "bs=64K", "status=none"])):
        cases[name] = lambda command=command: time_us(
            lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    for name, act in READERS.items():
        cases[name] = lambda act=act: python_us(act, inside, size)
    results = {}
    for name, run in cases.items():
        before = read_stats(mount)
        taken = processor_us(before["server_pid"])
        us = run()
        taken = processor_us(before["server_pid"]) - taken
        after = read_stats(mount)
        moved = sum(after[key] - before[key] for key in ("bytes_read", "bytes_written"))
        results[name] = (us, taken, moved)
    return results


def bench_blksize(context):
    size = context.size
    taken = {block: [] for block in SIZES}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="blksize-bench.", dir=context.tmpfs))
        source = os.path.join(folder, "source")
        with open(source, "wb") as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as members:
            for number in range(MEMBERS):
                members.writestr(f"member{number}", os.urandom(16 * KIB))
        mounts = {}
        for block in SIZES:
            mounts[block] = stack.enter_context(mounted_gmemfs([*context.mount_options, f"--blksize={block}"]))
            with open(os.path.join(mounts[block], "file.zip"), "wb") as file:
                file.write(archive.getvalue())
        for _ in range(context.rounds):
            for block in SIZES:
                taken[block].append(measure(mounts[block], source, size))
    print("\nst_blksize: milliseconds; those of a processor, server and client; MiB that the server moved; "
          f"a file of {size // MIB} MiB")
    print(f"{'':28}" + "".join(f"{block // KIB:>22} KiB " for block in SIZES))
    results = {}
    for name in taken[SIZES[0]][0]:
        print(f"{name:28}", end="")
        results[name] = {}
        for block in SIZES:
            us, busy_us, moved = (statistics.median(each[name][column] for each in taken[block]) for column in range(3))
            print(f"{us / 1000:>10.1f} {busy_us / 1000:>8.1f} {moved / MIB:>7.0f}", end="")
            results[name][str(block)] = {"ms": us / 1000, "processor_ms": busy_us / 1000, "moved_mib": moved / MIB}
        print()
    return results
