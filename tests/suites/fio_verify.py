"""fio: every block carries its checksum and its offset, and is read back: many jobs, mixed block sizes, each engine."""
from place import run
from results import need

SIZE = "2G"
COMMON = ["--minimal", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1", "--group_reporting", "--thread=0",
          "--randseed=20261121"]
JOBS = {
    "random mixed block sizes, 8 jobs": "--rw=randwrite --bsrange=512-1M --size=48M --numjobs=8",
    "random 4k, 8 jobs": "--rw=randwrite --bs=4k --size=16M --numjobs=8",
    "unaligned block sizes": "--rw=randwrite --bsrange=1000-300000 --bs_unaligned=1 --size=32M --numjobs=4",
    "read and write mixed": "--rw=randrw --rwmixread=40 --bsrange=4k-256k --size=48M --numjobs=4",
    "O_DIRECT, 16 requests in flight": "--rw=randwrite --bs=64k --size=64M --ioengine=libaio --iodepth=16 --direct=1",
    "several files of one job": "--rw=randwrite --bs=16k --size=64M --nrfiles=32 --numjobs=2",
    "O_SYNC": "--rw=randwrite --bs=8k --size=16M --sync=1 --numjobs=2",
    "sequential 1M": "--rw=write --bs=1M --size=256M --numjobs=2",
    "shared mmap": "--rw=randwrite --bs=4k --size=16M --ioengine=mmap --numjobs=2",
    "io_uring": "--rw=randwrite --bs=32k --size=32M --ioengine=io_uring --iodepth=8",
    "vectors": "--rw=randwrite --bs=8k --size=32M --ioengine=pvsync2 --numjobs=2",
    "trims between writes": "--rw=randwrite --bs=64k --size=32M --fallocate=keep --numjobs=2 --overwrite=1",
}


def prepare(_):
    return need("fio", "fio")


def suite(place, results, program):
    for name, options in JOBS.items():
        folder = place.path / f"d{len(results.outcomes)}"
        folder.mkdir()
        done = run([program, "--name=job", f"--directory={folder}", *COMMON, *options.split()], 240, cwd=place.work)
        if "engine" in done.text and ("not loadable" in done.text or "not available" in done.text):
            results.skipped(name, done.tail())
        else:
            results.of(name, done)
        run(["rm", "-rf", folder])
