"""Copies: cp in and out, beside the same cp on a tmpfs; and copy_file_range within the mount, beside the device."""
import contextlib
import os
import resource
import statistics
import subprocess
import tempfile

from places import (GIB, MIB, device_rates, find_program, folder_on_tmpfs, mounted_gmemfs, mounted_null_server,
                    run_json, time_us)


def copy_rate(source, target, size):
    """GB/s of `cp`, into a new file."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target)
    return size / 1e3 / time_us(lambda: subprocess.run(["cp", source, target], check=True))


def write_random(path, size):
    """A multiple of 32 MiB: the same ones, again and again."""
    block = os.urandom(32 * MIB)
    with open(path, "wb") as file:
        for _ in range(size // len(block)):
            file.write(block)


def forget(path):
    """Nothing of the file stays in the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def range_rate(source, target, size):
    """GB/s, read plus written, of copy_file_range into a file that has its memory: median of 7 after one warm-up, as
    the device's own rate is taken."""
    fds = [os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY)]

    def copy():
        left = size
        while left > 0:
            left -= os.copy_file_range(fds[0], fds[1], left, size - left, size - left)

    times = [time_us(copy) for _ in range(8)]
    for fd in fds:
        os.close(fd)
    return 2 * size / 1e3 / statistics.median(times[1:])


def bench_cold(context):
    """gmemfs cp of a file that no cache holds, past the page cache and through it: GB/s and the processor's seconds."""
    size = 8 * GIB if context.on_gpu else 512 * MIB
    rates, busy = {"direct": [], "buffered": []}, {"direct": [], "buffered": []}
    with mounted_gmemfs(context.mount_options) as mount, tempfile.TemporaryDirectory(dir=context.disk) as disk:
        source = os.path.join(disk, "source")
        write_random(source, size)
        for index in range(context.rounds):
            for name in ("direct", "buffered") if index % 2 == 0 else ("buffered", "direct"):
                forget(source)
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                told = run_json(find_program("gmemfs"), "cp", "--json", source, os.path.join(mount, "copy"),
                                *(["--buffered"] if name == "buffered" else []))
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                rates[name].append(told["gb_per_second"])
                busy[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    told = {name: {"gb_per_second": statistics.median(rates[name]), "cpu_seconds": statistics.median(busy[name])}
            for name in rates}
    print(f"\ngmemfs cp of {size // MIB} MiB from a disk, cold: " + ", ".join(
        f"{name} {figures['gb_per_second']:.2f} GB/s and {figures['cpu_seconds']:.2f} s of a processor"
        for name, figures in told.items()))
    return told


def bench_cp(context):
    """gmemfs cp in and out of a tmpfs, the copying alone, beside pinned DMA and a parallel memcpy into a mapping."""
    size = min(8 * GIB, context.memory // 4) if context.on_gpu else 64 * MIB
    cp = [find_program("gmemfs"), "cp", "--json"]
    with mounted_gmemfs(context.mount_options) as mount, folder_on_tmpfs(context.tmpfs) as memory:
        source, inside, target = (os.path.join(memory, "source"), os.path.join(mount, "copy"),
                                  os.path.join(memory, "target"))
        write_random(source, size)
        rates = {name: [] for name in ("in", "pinned DMA in", "out", "memcpy into a mapped file")}
        for index in range(context.rounds + 1):
            told = {"in": run_json(*cp, source, inside)["gb_per_second"],
                    "pinned DMA in": device_rates(context, min(GIB, size))["gb_per_second"]["host_to_device"],
                    "out": run_json(*cp, inside, target)["gb_per_second"]}
            os.unlink(target)
            told["memcpy into a mapped file"] = run_json(find_program("mapped_copy"), target, "--size",
                                                         size)["gb_per_second"]
            for name, rate in told.items():
                if index > 0:
                    rates[name].append(rate)
    median = {name: statistics.median(values) for name, values in rates.items()}
    ratio = {"in": median["in"] / median["pinned DMA in"], "out": median["out"] / median["memcpy into a mapped file"]}
    print(f"\ngmemfs cp of {size // MIB} MiB, the copying alone, GB/s: in {median['in']:.1f}"
          f" of {median['pinned DMA in']:.1f} pinned DMA ({ratio['in']:.2f}); out {median['out']:.1f}"
          f" of {median['memcpy into a mapped file']:.1f} by memcpy into a mapped file ({ratio['out']:.2f})")
    return {"size": size, "median": median, "ratio": ratio, "rounds": rates}


def bench_copy(context):
    """cp of a large file in and out, and on a tmpfs; cp within the mount by copy_file_range, and the device's own."""
    size = min(8 * GIB, context.memory // 4) if context.on_gpu else 64 * MIB
    within = size // 2
    with contextlib.ExitStack() as stack:
        mount = stack.enter_context(mounted_gmemfs(context.mount_options))
        memory = stack.enter_context(folder_on_tmpfs(context.tmpfs))
        empty = stack.enter_context(mounted_null_server(context, "memory", size, 16))
        source = os.path.join(memory, "source")
        with open(source, "wb") as file:
            block = os.urandom(MIB)
            for _ in range(size // MIB):
                file.write(block)
        rates = {name: [] for name in ("in", "in, empty server", "in, tmpfs", "out", "out, empty server", "within",
                                       "device to device")}
        inside, target = os.path.join(mount, "copy"), os.path.join(memory, "target")
        for path in ("a", "b"):
            with open(os.path.join(mount, path), "wb") as file:
                file.truncate(within)
        for index in range(context.rounds + 1):
            told = {"in": copy_rate(source, inside, size),
                    "in, empty server": copy_rate(source, os.path.join(empty, "copy"), size),
                    "in, tmpfs": copy_rate(source, target, size),
                    "out": copy_rate(inside, target, size),
                    "out, empty server": copy_rate(os.path.join(empty, "copy"), target, size),
                    "within": range_rate(os.path.join(mount, "a"), os.path.join(mount, "b"), within),
                    "device to device": device_rates(context, within)["gb_per_second"]["device_to_device"]}
            for name, rate in told.items():
                if index > 0:
                    rates[name].append(rate)
            os.unlink(target)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    print(f"\ncp of {size // MIB} MiB, GB/s: in {medians['in']:.2f} (empty server {medians['in, empty server']:.2f},"
          f" tmpfs to tmpfs {medians['in, tmpfs']:.2f}); out {medians['out']:.2f}"
          f" (empty server {medians['out, empty server']:.2f})")
    ratio = medians["within"] / medians["device to device"]
    print(f"copy_file_range of {within // MIB} MiB within the mount, GB/s read plus written: {medians['within']:.0f},"
          f" of the device's own {medians['device to device']:.0f}: {ratio:.2f}")
    return {"size": size, "within": within, "median": medians, "rounds": rates}
