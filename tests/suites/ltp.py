"""LTP: the Linux Test Project's tests of the system calls that touch files, and its older filesystem tests."""
import concurrent.futures
import os
import pathlib
import re

from place import run
from results import Missing, build, need, source

URL = "https://github.com/linux-test-project/ltp"
SIZE = "10G"
TEST_SECONDS = 90
SHIM = pathlib.Path(__file__).with_name("ltp_mount.cpp")
SYSCALLS = """
    access chdir chmod chown close copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise fallocate fchdir
    fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fpathconf fremovexattr
    fsetxattr fstat fstatat fstatfs fsync ftruncate futimesat getcwd getdents getxattr inotify lchown lgetxattr link
    linkat listxattr llistxattr llseek lremovexattr lseek lstat mkdir mkdirat mknod mknodat mmap mremap msync munmap
    name_to_handle_at open open_by_handle_at openat openat2 pathconf pread preadv preadv2 pwrite pwritev pwritev2 read
    readahead readdir readlink readlinkat readv realpath removexattr rename renameat renameat2 rmdir sendfile setxattr
    splice stat statfs statvfs statx symlink symlinkat sync sync_file_range syncfs truncate umask unlink unlinkat ustat
    utime utimensat utimes write writev""".split()
OLDER = ["doio", "inode", "ftest", "stream", "openfile", "linktest", "lftest"]
# growfiles by number of operations; the others of runtest/fs run by the clock, for half a minute and more each.
OLDER_TESTS = re.compile(r"gf0[2-5]|gf19|gf2[78]|openfile01|inode0[12]|stream0[1-5]|ftest0[1-8]|lftest")

PIPES = {"fcntl30", "fcntl30_64", "fcntl35", "fcntl35_64", "fcntl37", "fcntl37_64"}  # no file, a limit of the user


def prepare(cache):
    folder = source("ltp", URL, cache)
    parts = [f"testcases/kernel/syscalls/{name}" for name in SYSCALLS]
    parts += [f"testcases/kernel/fs/{name}" for name in OLDER]
    parts = [part for part in parts if (folder / part).is_dir()]  # its versions differ
    build(folder, "suites-built",
          ["make autotools", "./configure", "make -C lib", "make -C libs", "make -C testcases/lib",
           *[f"make -C {part}" for part in parts], "touch suites-built"],
          [("autoconf", "autoconf"), ("m4", "m4"), ("make", "make")])
    return folder


def tests_of(folder):
    """(name, command, whether it mounts a disk) of those in LTP's own lists whose program was built here."""
    programs = {path.name: path for part in ("syscalls", "fs")
                for path in (folder / "testcases/kernel" / part).rglob("*")
                if path.is_file() and os.access(path, os.X_OK) and path.suffix == ""}
    for wanted, pattern in (("syscalls", re.compile(".*")), ("fs", OLDER_TESTS)):
        for line in (folder / "runtest" / wanted).read_text().splitlines():
            words = line.split(None, 1)
            if len(words) < 2 or line.startswith("#") or not pattern.fullmatch(words[0]):
                continue
            program = words[1].split()[0].rstrip(";")
            if program not in programs or program in PIPES:
                continue
            text = programs[program].with_suffix(".c")
            text = text.read_text(errors="replace") if text.exists() else ""
            # Those make a filesystem of another kind on a disk of their own, or fill the one that they get.
            if not re.search(r"\.(needs_device|format_device|dev_fs_type)\b|tst_fill_fs", text):
                yield words[0], words[1], bool(re.search(r"\.(mount_device|all_filesystems|needs_rofs)\b", text))


def suite(place, results, folder):
    path = ":".join({str(program.parent) for program in (folder / "testcases").rglob("*")
                     if program.is_file() and os.access(program, os.X_OK)})
    environment = {"PATH": f"{path}:{os.environ['PATH']}", "LTPROOT": str(folder), "LTP_COLORIZE_OUTPUT": "0",
                   "KCONFIG_SKIP_CHECK": "1"}

    shim = place.work / "ltp_mount.so"
    built = run([need("g++", "g++"), "-std=c++20", "-shared", "-fPIC", "-O1", "-o", shim, SHIM, "-ldl"])
    if built.status != 0:
        raise Missing(f"{SHIM} doesn't build: {built.tail()}")

    def one(test):
        name, command, mounts_disk = test
        where = (place.work if mounts_disk else place.path) / name
        where.mkdir(mode=0o777)
        where.chmod(0o777)
        own = {"TMPDIR": str(where), "LTP_TIMEOUT_MUL": "2"}
        if mounts_disk:
            own |= {"SUITES_PLACE": str(place.path), "LD_PRELOAD": str(shim), "LTP_SINGLE_FS_TYPE": "tmpfs",
                    "LTP_DEV_FS_TYPE": "tmpfs"}
        return run(["unshare", "--mount", "sh", "-c", command], TEST_SECONDS, cwd=where, env={**environment, **own})

    tests = list(tests_of(folder))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for (name, *_), done in zip(tests, pool.map(one, tests)):
            judge(results, name, done)


def judge(results, name, done):
    """Status 32 alone is TCONF, "not on this machine"; 1 is TFAIL, 2 TBROK, 4 a warning."""
    said = [line.strip() for line in done.text.splitlines() if re.search(r"\bT(FAIL|BROK)\b", line)]
    if done.status == 32:
        conf = [line for line in done.text.splitlines() if "TCONF" in line]
        results.skipped(name, conf[0] if conf else done.tail())
    elif done.status in (0, 4):
        results.passed(name)
    else:
        results.failed(name, f"status {done.status}: {' | '.join(said[:3]) or done.tail()}")
