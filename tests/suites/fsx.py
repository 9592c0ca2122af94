"""fsx: random operations on one file against a copy in memory (xfstests' fsx, with and without mmap and O_DIRECT)."""
from place import run
from results import build, source

URL = "https://github.com/kdave/xfstests"
SIZE = "1G"
SEEDS = (1, 20261121)
OPERATIONS = 12000
VARIANTS = {
    "read and write": ["-R", "-W"],
    "mmap": [],
    "O_DIRECT": ["-Z", "-R", "-W", "-r", "512", "-w", "512", "-t", "512"],
    "small offsets, unaligned": ["-R", "-W", "-l", "20000", "-o", "3000"],
    "files of 16 MiB": ["-R", "-W", "-l", "16777216", "-o", "2097152"],
    "close and open": ["-R", "-W", "-c", "20"],
    "asynchronous": ["-R", "-W", "-A"],
    "mmap, close and open": ["-c", "20"],
}


def prepare(cache):
    folder = source("xfstests", URL, cache)
    build(folder, "ltp/fsx", ["make configure", "./configure", "make -C include", "make -C lib", "make -C ltp"],
          [("autoconf", "autoconf"), ("libtoolize", "libtool"), ("make", "make")])
    return folder


def suite(place, results, folder):
    for name, options in VARIANTS.items():
        for seed in SEEDS:
            file = place.path / f"f{len(results.outcomes)}"
            done = run([folder / "ltp/fsx", "-q", "-N", OPERATIONS, "-S", seed, "-P", place.work, *options, file],
                       300, cwd=place.work)
            first = next((line for line in done.text.splitlines() if "mapping" not in line), "")  # what it couldn't do
            if done.status == 0:
                results.passed(f"{name}, seed {seed}")
            else:
                results.failed(f"{name}, seed {seed}", f"status {done.status}: {first}")
