"""Prints what modes, access control lists and access become in this folder: acl/every_case_as_on_tmpfs.sh compares.

    cases.py [ticket]     with it: a file's ticket must be given to who may open the file for reading and writing
"""
import errno
import itertools
import os
import random
import socket
import struct
import sys

TAGS = {"u": 1, "U": 2, "g": 4, "G": 8, "m": 16, "o": 32}  # upper case: somebody who is named
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
RANDOM_FILES = 60


def acl(*entries, version=2):
    words = [entry.split(":") for entry in entries]
    return struct.pack("<I", version) + b"".join(
        struct.pack("<HHI", TAGS[tag], int(bits), int(name or 0xffffffff)) for tag, name, bits in words)


def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def show(path):
    said = [oct(os.lstat(path).st_mode)]
    for name in (ACCESS, DEFAULT):
        value = attempt(os.getxattr, path, name)
        said.append(value.hex() if isinstance(value, bytes) else value)
    print(path, *said)


def make_all_kinds(folder, name, mode):
    path = f"{folder}/{name}"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, mode))
    os.mkdir(path + "d", mode & 0o777)
    os.mkfifo(path + "p", mode & 0o777)
    os.symlink("x", path + "l")
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR, mode & 0o777)
    os.link(f"/proc/self/fd/{fd}", path + "t", src_dir_fd=fd, follow_symlinks=True)  # linkat: link() does not follow
    os.close(fd)
    here = os.getcwd()
    os.chdir(folder)  # the path of a socket has a limit
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name + "s")
    os.chdir(here)
    for kind in ("", "d", "p", "t", "s"):
        show(path + kind)


def inheritance():
    """What is made in a directory, by its default ACL, the umask and the mode asked for."""
    defaults = [None, acl("u::7", "g::5", "o::0"), acl("u::7", "U:1:7", "g::5", "m::7", "o::4"),
                acl("u::6", "g::7", "G:7:6", "m::3", "o::7"), acl("u::7", "g::7", "m::0", "o::7")]
    for (number, default), set_group_id in itertools.product(enumerate(defaults), (0, 0o2000)):
        folder = f"d{number}-{set_group_id:o}"
        os.mkdir(folder)
        os.chown(folder, 0, 5)
        os.chmod(folder, 0o755 | set_group_id)
        if default:
            os.setxattr(folder, DEFAULT, default)
        show(folder)
        for umask, mode in itertools.product((0, 0o027, 0o777), (0o777, 0o640, 0o4711, 0)):
            os.umask(umask)
            make_all_kinds(folder, f"{umask:o}-{mode:o}", mode)
        os.umask(0)


def malformed():
    """Bytes that are no ACL, or one that can't be there."""
    good = acl("u::7", "U:1:7", "g::5", "m::7", "o::4")
    values = [b"", good[:3], good[:4], good[:-1], good + b"x", acl("u::7", "g::5", "o::0", version=1),
              acl("u::7", "g::5"), acl("u::7", "g::8", "o::0"), acl("u::7", "U:1:7", "g::5", "o::4"),
              acl("g::5", "u::7", "o::0"), acl("u::7", "u::7", "g::5", "o::0"), acl("u::7", "g::5", "o::0", "o::0"),
              acl("u::7", "U::7", "g::5", "m::1", "o::0"), acl("u::7", "U:1:7", "U:1:0", "g::5", "m::7", "o::4"), good]
    os.close(os.open("bad", os.O_CREAT, 0o600))
    os.mkdir("badd")
    os.symlink("bad", "badl")
    for number, value in enumerate(values):
        for path, name in itertools.product(("bad", "badd"), (ACCESS, DEFAULT)):
            print(number, path, name, attempt(os.setxattr, path, name, value))
            show(path)
    print(attempt(lambda: os.setxattr("badl", ACCESS, good, follow_symlinks=False)))
    for name in (DEFAULT, ACCESS, ACCESS):
        print(attempt(os.removexattr, "bad", name))


def random_lists():
    chance = random.Random(20261121)

    def bits():
        return chance.randrange(8)

    for number in range(RANDOM_FILES):
        path = f"r{number}"
        os.close(os.open(path, os.O_CREAT, 0o600))
        os.chown(path, chance.choice((0, 1, 2)), chance.choice((5, 6)))
        entries = [f"u::{bits()}"] + [f"U:{who}:{bits()}" for who in (1, 2, 3) if chance.random() < .5]
        entries += [f"g::{bits()}"] + [f"G:{who}:{bits()}" for who in (5, 6, 7) if chance.random() < .5]
        if len(entries) > 2 or chance.random() < .5:
            entries.append(f"m::{bits()}")
        os.setxattr(path, ACCESS, acl(*entries, f"o::{bits()}"))
        if chance.random() < .5:
            os.chmod(path, chance.randrange(0o1000))
        show(path)


def access():
    """By the kernel's check, and by the server's own for a handle: the two must agree."""
    for number in range(RANDOM_FILES):
        said = []
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
            fd = attempt(os.open, f"r{number}", flags)
            said.append(fd if isinstance(fd, str) else "OK")
            if not isinstance(fd, str):
                os.close(fd)
        print(os.getuid(), os.getgid(), os.getgroups(), number, *said, os.access(f"r{number}", os.X_OK))
        if len(sys.argv) > 1 and said[0] == "OK":  # who may not read it can't ask
            ticket = attempt(os.getxattr, f"r{number}", "user.gmemfs.ticket")
            if said[2] != (ticket if isinstance(ticket, str) else "OK"):
                print(f"BUG: ticket {ticket}")


def as_user(uid, gid, groups, call):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        call()
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)


def main():
    os.umask(0)
    inheritance()
    malformed()
    random_lists()
    for uid, gid, groups in itertools.product((0, 1, 2, 3, 4), (5, 8), ([], [6, 7])):
        as_user(uid, gid, groups, access)


if __name__ == "__main__":
    main()
