"""Places: what the benches run on: programs, mounts of gmemfs and of the empty server, folders on a tmpfs."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


def find_under(roots, name):
    for root in roots:
        for folder in (root, root / "bench", root / "bin", root / "bin/bench", root / "lib"):
            if (folder / name).is_file():
                return str((folder / name).resolve())
    sys.exit(f"bench: no {name} under {[str(root) for root in roots]}: run `make` and `make bench`")


def find_program(name):
    """A program or library of the build ($BUILD), or of the bundle that this file lies in."""
    build = os.environ.get("BUILD")
    roots = [pathlib.Path(build)] if build else []
    roots += [parent for parent in HERE.parents if (parent / "bin/gmemfs").exists()]
    roots += [parent / "build" for parent in HERE.parents if (parent / "Makefile").exists()]
    return find_under(roots, name)


def find_program_in(folder, name):
    """The same in another version's build folder or bundle."""
    return find_under([pathlib.Path(folder)], name)


def find_simulator():
    program = pathlib.Path(find_program("gmemfs"))
    for path in (program.parent / "sim/libcuda.so.1", program.parent.parent / "lib/gmemfs/sim/libcuda.so.1"):
        if path.exists():
            return str(path)
    sys.exit("bench: no GPU, and no simulator beside gmemfs")


def run_json(*command):
    """What the program prints, which is JSON."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))}: exit status {done.returncode}")
    return json.loads(done.stdout)


def time_us(call):
    start = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - start) / 1000


def wait_until_mounted(path, server):
    deadline = time.monotonic() + 60
    while not os.path.ismount(path):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"bench: {server.args[0]} did not mount {path}")
        time.sleep(0.01)


@contextlib.contextmanager
def mounted_gmemfs(options, program=None):
    """`program`: another version's gmemfs."""
    gmemfs = program or find_program("gmemfs")
    with tempfile.TemporaryDirectory(prefix="gmemfs-bench.") as path:
        subprocess.run([gmemfs, "mount", path, *options], check=True)
        try:
            yield path
        finally:
            subprocess.run([gmemfs, "umount", path], check=False)


@contextlib.contextmanager
def mounted_server(program, *arguments):
    """A server that stays in the foreground, and takes the mount point as its last argument."""
    with tempfile.TemporaryDirectory(prefix=f"{program}-bench.") as path:
        server = subprocess.Popen([find_program(program), *arguments, path])
        wait_until_mounted(path, server)
        try:
            yield path
        finally:
            server.terminate()
            server.wait()


def mounted_null_server(context, sink, size, threads, options=()):
    """The empty server; `sink`: what becomes of the bytes, see null_server.cpp."""
    return mounted_server("null_server", "--sink", sink, "--driver", context.library, "--size", str(size),
                          "--threads", str(threads), *options)


@contextlib.contextmanager
def folder_on_tmpfs(parent):
    with tempfile.TemporaryDirectory(prefix="tmpfs-bench.", dir=parent) as path:
        yield path


def device_rates(context, size):
    """What the device reaches by itself, with extents of `size` bytes: `gmemfs bench`."""
    simulate = () if context.on_gpu else ("--simulate",)
    return run_json(find_program("gmemfs"), "bench", "--json", "--size", size, *simulate)


def read_stats(mount):
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))
