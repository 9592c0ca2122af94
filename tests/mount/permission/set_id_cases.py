"""Prints which set-ID bits a file keeps when somebody changes it: set_id_bits_as_on_tmpfs.sh compares.

A file is there for each mode and operation. A child becomes one of the users and does all operations; then the modes
are printed."""
import ctypes
import errno
import mmap
import os
import struct

OWNER, GROUP, OTHER, STRANGER = 1001, 2001, 1002, 2002
FSETID = 1 << 4
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
PR_SET_KEEPCAPS, CLONE_NEWUSER = 8, 0x10000000
SIZE = 8192
MODES = [special | plain for special in (0o0, 0o2000, 0o4000, 0o6000) for plain in (0o666, 0o676, 0o667, 0o777)]
libc = ctypes.CDLL(None, use_errno=True)


def checked(status):
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def opened(path, flags=os.O_RDWR):
    class Opened:
        def __enter__(self):
            self.fd = os.open(path, flags)
            return self.fd

        def __exit__(self, *_):
            os.close(self.fd)
    return Opened()


def fallocate(path, mode, offset=0, length=4096):
    with opened(path) as fd:
        checked(libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)))


def write(path, data=b"x", flags=os.O_RDWR, offset=0):
    with opened(path, flags) as fd:
        os.pwrite(fd, data, offset)


def copy(path):
    with opened("source", os.O_RDONLY) as source, opened(path) as target:
        os.copy_file_range(source, target, 4096)


def send(path):
    with opened("source", os.O_RDONLY) as source, opened(path) as target:
        os.sendfile(target, source, 0, 4096)


def store(path):
    with opened(path) as fd, mmap.mmap(fd, SIZE) as memory:
        memory[0] = 1
        memory.flush()


def truncate_open(path, size):
    with opened(path) as fd:
        os.ftruncate(fd, size)


OPERATIONS = {
    "write": write,
    "write nothing": lambda path: write(path, b""),
    "append": lambda path: write(path, b"x", os.O_WRONLY | os.O_APPEND, 0),
    "write past the end": lambda path: write(path, b"x", os.O_WRONLY, SIZE + 5),
    "truncating open": lambda path: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),
    "shrink": lambda path: os.truncate(path, 100),
    "grow": lambda path: os.truncate(path, SIZE + 100),
    "same size": lambda path: os.truncate(path, SIZE),
    "ftruncate": lambda path: truncate_open(path, 100),
    "allocate": lambda path: fallocate(path, 0),
    "allocate past the end": lambda path: fallocate(path, 0, SIZE, 100),
    "allocate and keep": lambda path: fallocate(path, KEEP_SIZE, SIZE, 100),
    "punch": lambda path: fallocate(path, PUNCH_HOLE | KEEP_SIZE),
    "copy": copy,
    "send": send,
    "store": store,
    "touch": os.utime,
    "read": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "chown to self": lambda path: os.chown(path, os.geteuid(), -1),
    "chgrp to own": lambda path: os.chown(path, -1, os.getegid()),
}


def set_capabilities(effective):
    header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", effective, effective, 0, 0, 0, 0)
    checked(libc.capset(header, data))


def become(uid, gid, groups=(), capabilities=None):
    if capabilities is not None:
        checked(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if capabilities is not None:
        set_capabilities(capabilities)


def become_root_of_another_namespace():
    become(OTHER, STRANGER)
    checked(libc.unshare(CLONE_NEWUSER))


DAC = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
USERS = {
    "root": lambda: None,
    "root without CAP_FSETID": lambda: set_capabilities(DAC),
    "owner in the group": lambda: become(OWNER, GROUP),
    "owner with the group": lambda: become(OWNER, STRANGER, [5, GROUP]),
    "owner elsewhere": lambda: become(OWNER, STRANGER),
    "other in the group": lambda: become(OTHER, GROUP),
    "other with the group": lambda: become(OTHER, STRANGER, [GROUP]),
    "other elsewhere": lambda: become(OTHER, STRANGER),
    "other with CAP_FSETID": lambda: become(OTHER, STRANGER, (), FSETID),
    "other in a namespace of their own": become_root_of_another_namespace,
}


def prepare(path, mode, is_program):
    with open(path, "wb") as file:
        file.write(bytes(SIZE))
    os.chown(path, OWNER, GROUP)
    os.chmod(path, mode)
    if is_program:
        os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))


def run_as(user, names):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            USERS[user]()
            with open(os.open("said", os.O_WRONLY | os.O_TRUNC), "w") as said:
                for path, operation in names:
                    try:
                        OPERATIONS[operation](path)
                        print("done", file=said)
                    except OSError as error:
                        print(errno.errorcode[error.errno], file=said)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0, user
    with open("said") as said:
        return said.read().split()


def has_user_namespaces():
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0


def main():
    os.umask(0)
    if not has_user_namespaces():  # a chroot has none
        del USERS["other in a namespace of their own"]
    for path in ("source", "said"):
        with open(path, "wb") as file:
            file.write(bytes(SIZE))
    os.chmod(".", 0o777)
    for user in USERS:
        for mode in MODES:
            names = [(f"f{number}", operation) for number, operation in enumerate(OPERATIONS)]
            for path, _ in names:
                prepare(path, mode, mode == 0o666)
            for (path, operation), said in zip(names, run_as(user, names)):
                program = " program" if "security.capability" in os.listxattr(path) else ""
                print(f"{mode:4o} {operation} by {user}: {said} {os.stat(path).st_mode & 0o7777:o}{program}")
                os.remove(path)


main()
