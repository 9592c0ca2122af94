"""Prints what each inode flag lets be done in this folder: flags/every_case_as_on_tmpfs.sh compares."""
import ctypes
import errno
import fcntl
import itertools
import os
import struct
import sys

GET, SET = 0x80086601, 0x40086602                    # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS
GET_EXTENDED, SET_EXTENDED = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
EXTENDED = "<5I8x"
NONE, COMPRESS, SYNC, IMMUTABLE, APPEND, NO_DUMP, NO_ATIME = 0, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80
KEEP_SIZE, PUNCH_HOLE = 1, 2
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 6, who) for tag, who in (
    (1, 0xffffffff), (2, 5), (4, 0xffffffff), (16, 0xffffffff), (32, 0xffffffff)))
libc = ctypes.CDLL(None, use_errno=True)


def attempt(call, *arguments, **named):
    try:
        return call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]


def checked(status):
    if status < 0:
        raise OSError(ctypes.get_errno(), "")


def renameat2(source, target, flags):
    checked(libc.renameat2(-100, source.encode(), -100, target.encode(), flags))


def fallocate(fd, mode, offset, length):
    checked(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SET, struct.pack("I", flags))
    finally:
        os.close(fd)


def get_flags(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return (struct.unpack("I", fcntl.ioctl(fd, GET, bytes(4)))[0],
                struct.unpack(EXTENDED, fcntl.ioctl(fd, GET_EXTENDED, bytes(28))))
    finally:
        os.close(fd)


def set_extended(path, *words):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SET_EXTENDED, struct.pack(EXTENDED, *words))
    finally:
        os.close(fd)


def opened(path, flags, use=lambda fd: None):
    fd = os.open(path, flags, 0o644)
    try:
        return use(fd)
    finally:
        os.close(fd)


def append(fd):
    return os.write(fd, b"x")


FILE_OPERATIONS = {
    "read": lambda p: opened(p, os.O_RDONLY, lambda fd: os.read(fd, 9)),
    "open w": lambda p: opened(p, os.O_WRONLY),
    "open rw": lambda p: opened(p, os.O_RDWR),
    "open create": lambda p: opened(p, os.O_WRONLY | os.O_CREAT, append),
    "append": lambda p: opened(p, os.O_WRONLY | os.O_APPEND, append),
    "append truncate": lambda p: opened(p, os.O_WRONLY | os.O_APPEND | os.O_TRUNC),
    "read truncate": lambda p: opened(p, os.O_RDONLY | os.O_TRUNC),
    "truncate": lambda p: os.truncate(p, 1),
    "grow": lambda p: os.truncate(p, 100),
    "touch": lambda p: os.utime(p),
    "times": lambda p: os.utime(p, (5, 5)),
    "chmod": lambda p: os.chmod(p, 0o600),
    "chown": lambda p: os.chown(p, 5, 5),
    "setxattr": lambda p: os.setxattr(p, "user.b", b"1"),
    "replace xattr": lambda p: os.setxattr(p, "user.a", b"2"),
    "removexattr": lambda p: os.removexattr(p, "user.a"),
    "getxattr": lambda p: os.getxattr(p, "user.a"),
    "acl": lambda p: os.setxattr(p, "system.posix_acl_access", ACL),
    "link": lambda p: os.link(p, p + "-link"),
    "rename": lambda p: os.rename(p, p + "-renamed"),
    "rename over": lambda p: os.rename("other", p),
    "exchange": lambda p: renameat2("other", p, 2),
    "exchange with": lambda p: renameat2(p, "other", 2),
    "rename onto itself": lambda p: os.rename(p, p),
    "unlink": lambda p: os.unlink(p),
    "allocate": lambda p: opened(p, os.O_WRONLY | os.O_APPEND, lambda fd: fallocate(fd, 0, 0, 50)),
    "reserve": lambda p: opened(p, os.O_WRONLY | os.O_APPEND, lambda fd: fallocate(fd, KEEP_SIZE, 0, 50)),
    "punch": lambda p: opened(p, os.O_WRONLY | os.O_APPEND,
                              lambda fd: fallocate(fd, KEEP_SIZE | PUNCH_HOLE, 0, 2)),
}
DIRECTORY_OPERATIONS = {
    "list": lambda d: sorted(os.listdir(d)),
    "create": lambda d: opened(d + "/new", os.O_WRONLY | os.O_CREAT, append),
    "create existing": lambda d: opened(d + "/file", os.O_WRONLY | os.O_CREAT, append),
    "write": lambda d: opened(d + "/file", os.O_WRONLY, append),
    "unnamed": lambda d: opened(d, os.O_WRONLY | os.O_TMPFILE),
    "mkdir": lambda d: os.mkdir(d + "/made"),
    "mkdir existing": lambda d: os.mkdir(d + "/sub"),
    "mknod": lambda d: os.mkfifo(d + "/fifo"),
    "symlink": lambda d: os.symlink("x", d + "/symlink"),
    "link into": lambda d: os.link("other", d + "/link"),
    "link out": lambda d: os.link(d + "/file", "linked"),
    "rename into": lambda d: os.rename("other", d + "/moved"),
    "rename out": lambda d: os.rename(d + "/file", "moved"),
    "rename within": lambda d: os.rename(d + "/file", d + "/renamed"),
    "rename over": lambda d: os.rename("other", d + "/file"),
    "exchange": lambda d: renameat2("other", d + "/file", 2),
    "unlink": lambda d: os.unlink(d + "/file"),
    "rmdir of": lambda d: os.rmdir(d + "/sub"),
    "rmdir": lambda d: os.rmdir("empty"),
    "rmdir with names": lambda d: os.rmdir(d),
    "replace": lambda d: os.rename("elsewhere", d),
    "move": lambda d: os.rename("empty", "elsewhere/empty"),
    "chmod": lambda d: os.chmod(d, 0o700),
    "touch": lambda d: os.utime(d),
    "acl": lambda d: os.setxattr(d, "system.posix_acl_default", ACL),
    "setxattr": lambda d: os.setxattr(d, "trusted.a", b"1"),
}


def fresh(name):
    os.mkdir(name)
    os.chdir(name)
    for path in ("f", "other"):
        with open(path, "wb") as file:
            file.write(b"content")
    os.setxattr("f", "user.a", b"1")
    for path in ("d", "d/sub", "empty", "elsewhere"):
        os.mkdir(path)
    with open("d/file", "wb") as file:
        file.write(b"content")


def matrix():
    number = 0
    for operations, target in ((FILE_OPERATIONS, "f"), (DIRECTORY_OPERATIONS, "d")):
        for flags, (name, operation) in itertools.product(
                (NONE, NO_DUMP | NO_ATIME, IMMUTABLE, APPEND, IMMUTABLE | APPEND), operations.items()):
            number += 1
            fresh(f"case{number}")
            targets = [target] if target == "f" else ["d", "empty"]
            for path in targets:
                set_flags(path, flags)
            done = attempt(operation, target)
            left = opened("d/file", os.O_RDONLY, lambda fd: os.read(fd, 9)) if os.path.exists("d/file") else "gone"
            print(target, hex(flags), name, done, sorted(os.listdir(".")), sorted(os.listdir("d")), left)
            for path in (*targets, *os.listdir(".")):
                attempt(set_flags, path, NONE)
            os.chdir("..")


def inheritance():
    for flags in (NONE, NO_DUMP, NO_ATIME, NO_DUMP | NO_ATIME, APPEND | NO_DUMP):
        folder = f"inherit{flags}"
        os.mkdir(folder)
        set_flags(folder, flags)
        os.mkdir(folder + "/d")
        os.close(os.open(folder + "/f", os.O_CREAT, 0o600))
        print(folder, *(get_flags(folder + name) for name in ("", "/d", "/f")))
        set_flags(folder, NONE)


def values():
    """Which flags there are, by both pairs of commands, and who may set them."""
    os.close(os.open("v", os.O_CREAT, 0o666))
    for bit in range(32):
        if 1 << bit == COMPRESS:  # which tmpfs hasn't: cold/ages_of_directories.sh
            continue
        print("flag", bit, attempt(set_flags, "v", 1 << bit), get_flags("v"))
        set_flags("v", NONE)
    for bit in range(32):
        print("extended", bit, attempt(set_extended, "v", 1 << bit, 0, 0, 0, 0), get_flags("v"))
        set_flags("v", NONE)
    for words in ((0, 1, 0, 0, 0), (0, 0, 0, 1, 0), (0, 0, 0, 0, 1)):
        print("extended", words, attempt(set_extended, "v", *words))
    os.mkfifo("fifo")
    print("fifo", attempt(lambda: opened("fifo", os.O_RDWR, lambda fd: fcntl.ioctl(fd, GET, bytes(4)))))
    os.close(os.open("theirs", os.O_CREAT, 0o666))
    os.chown("theirs", 65534, 65534)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        for path, flags in itertools.product(("v", "theirs"), (IMMUTABLE, APPEND, NO_DUMP)):
            print("user", path, hex(flags), attempt(set_flags, path, flags), get_flags(path))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)
    set_flags("theirs", NONE)


os.umask(0)
values()
inheritance()
matrix()
