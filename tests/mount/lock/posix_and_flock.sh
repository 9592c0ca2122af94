# fcntl's and flock's locks, between processes: exclusive, shared, by range, released by death.
# posix
python3 - "$MNT/f" << 'EOF'
import errno, fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)

def child(action):
    """Whether the action succeeds in another process, on an open of its own."""
    if os.fork() == 0:
        try:
            action(os.open(sys.argv[1], os.O_RDWR))
        except OSError as error:
            os._exit(1 if error.errno in (errno.EAGAIN, errno.EACCES) else 2)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.wait()[1])
    assert status != 2
    return status == 0

fcntl.lockf(fd, fcntl.LOCK_EX, 100, 0)
assert not child(lambda other: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50))
assert not child(lambda other: fcntl.lockf(other, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 99))
assert child(lambda other: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100))
fcntl.lockf(fd, fcntl.LOCK_SH, 100, 0)
assert child(lambda other: fcntl.lockf(other, fcntl.LOCK_SH | fcntl.LOCK_NB, 10, 50))
fcntl.lockf(fd, fcntl.LOCK_UN, 100, 0)
assert child(lambda other: fcntl.lockf(other, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50))  # and its death lets go
fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
fcntl.lockf(fd, fcntl.LOCK_UN)
fcntl.flock(fd, fcntl.LOCK_EX)
assert not child(lambda other: fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB))
fcntl.flock(fd, fcntl.LOCK_UN)
assert child(lambda other: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB))
EOF
