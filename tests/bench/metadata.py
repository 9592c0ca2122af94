"""Metadata: creates, stats, lookups, readdir, renames and unlinks of 100,000 files: what names cost, without data.

Beside gmemfs: an empty passthrough of the same libfuse over a tmpfs (passthrough.cpp), which does nothing but the same
system call behind each request, and that tmpfs itself. The files are empty, so none of it depends on the device.
"""
import contextlib
import os
import statistics
import time

from places import folder_on_tmpfs, mounted_gmemfs, mounted_server, read_stats

FILES = 100_000
FOLDERS = 20
JOBS = (1, 4)
PLACES = ("gmemfs", "passthrough", "tmpfs")


def create(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


def readdir(folder):
    return sum(1 for _ in os.scandir(folder))


def in_jobs(jobs, count, work):
    """Microseconds a file of `jobs` processes that share the folders; work(folder) does those of one folder."""
    start = time.perf_counter()
    children = []
    for job in range(jobs):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for folder in range(job, FOLDERS, jobs):
                    work(folder)
                status = 0
            except OSError as error:
                print(f"bench: {error}", flush=True)
            finally:
                os._exit(status)
        children.append(child)
    if any(os.waitpid(child, 0)[1] for child in children):
        raise RuntimeError("bench: a job failed")
    return (time.perf_counter() - start) * 1e6 / count


def forget_names():
    """Has the kernel drop its entries, so that the next stat asks the server; only root may."""
    if os.geteuid() != 0:
        return False
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("2")
    return True


def measure(place, jobs, files):
    """Microseconds a file, by operation."""
    folders = [os.path.join(place, f"d{number}") for number in range(FOLDERS)]
    for folder in folders:
        os.mkdir(folder)
    each = files // FOLDERS

    def of_each(call):
        def work(folder):
            for number in range(each):
                call(f"{folders[folder]}/file{number}")
        return in_jobs(jobs, each * FOLDERS, work)

    def check_count(folder):
        if readdir(folders[folder]) != each:
            raise RuntimeError(f"bench: {folders[folder]} doesn't list {each} files")

    found = {"create": of_each(create), "stat, cached": of_each(os.stat)}
    if forget_names():
        found["lookup"] = of_each(os.stat)
        forget_names()
        found["readdir"] = in_jobs(jobs, each * FOLDERS, check_count)
    found["rename"] = of_each(lambda path: os.rename(path, path + "x"))
    found["unlink"] = of_each(lambda path: os.unlink(path + "x"))
    for folder in folders:
        os.rmdir(folder)
    return found


def bench_metadata(context):
    """Names: create, stat, lookup, readdir, rename, unlink of 100,000 empty files, beside a passthrough and tmpfs."""
    files = max(FOLDERS, context.files or FILES)
    rows = []
    print(f"\nmetadata, {files} files in {FOLDERS} directories: us a file, medians of {context.rounds}")
    with mounted_gmemfs(context.mount_options) as gmemfs, folder_on_tmpfs(context.tmpfs) as behind, \
            folder_on_tmpfs(context.tmpfs) as tmpfs, \
            mounted_server("passthrough", "--threads", str(read_stats(gmemfs)["workers"]), behind) as passthrough:
        places = dict(zip(PLACES, (gmemfs, passthrough, tmpfs)))
        for jobs in JOBS:
            rounds = [{name: measure(path, jobs, files) for name, path in places.items()}
                      for _ in range(context.rounds)]
            for call in rounds[0]["gmemfs"]:
                medians = {name: statistics.median(found[name][call] for found in rounds) for name in PLACES}
                ratio = medians["passthrough"] / medians["gmemfs"]
                print(f"{call:12} {jobs} jobs: gmemfs {medians['gmemfs']:7.2f}, passthrough"
                      f" {medians['passthrough']:7.2f}, tmpfs {medians['tmpfs']:6.2f};"
                      f" gmemfs reaches {ratio:.2f} of the passthrough")
                rows.append({"call": call, "jobs": jobs, "us": medians, "of_passthrough": ratio,
                             "all": [{name: found[name][call] for name in PLACES} for found in rounds]})
    return rows
