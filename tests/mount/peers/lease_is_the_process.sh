# A lease belongs to the process that took it: a forked child neither releases nor keeps it, and exec ends it.
# options: --ecc=on
# timeout: 120
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF2'
import os, signal, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
EBUSY, EPERM = 16, 1
state = lambda: os.getxattr(path, "user.gmemfs.ecc").decode()


def is_free():
    """Whether somebody could have it alone."""
    peer = Peer(mount)
    answer = peer.attach(path, lease=EXCLUSIVE)
    assert answer.code in (0, EBUSY), answer.text
    if answer.code == 0:
        assert peer.release(answer.lease) == 0
    peer.close()
    return answer.code == 0


def in_child(then):
    child = os.fork()
    if child == 0:
        try:
            then()
        except BaseException as error:
            print("child:", repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return child


def ended(child):
    return os.waitpid(child, 0)[1]


# A child that says release, as the finalizers of an older library do, ends nothing; it has no lease to give, either.
peer = Peer(mount)
alone = peer.attach(path, lease=EXCLUSIVE | WRITE)


def harm():
    assert peer.release(alone.lease) == 0
    assert peer.attach(path).code == EPERM
    peer.close()


assert ended(in_child(harm)) == 0
assert not is_free() and state() == "open"
assert peer.release(alone.lease) == 0
assert is_free() and state() == "current"
peer.close()


def hold_and_fork(report, then):
    """Takes the lease, forks a child that has the connection and waits, and goes on with `then`."""
    mine = Peer(mount)
    assert mine.attach(path, lease=EXCLUSIVE | WRITE).code == 0
    os.write(report, b"%d\n" % in_child(signal.pause))
    then(mine)


def start(then):
    reads, writes = os.pipe()
    parent = in_child(lambda: hold_and_fork(writes, then))
    return parent, int(os.read(reads, 100))


# The parent is killed, and its child lives on with the connection.
wait_for_counts(mount, (0, 0))
parent, child = start(lambda mine: signal.pause())
assert not is_free() and state() == "open"
os.kill(parent, signal.SIGKILL)
os.waitpid(parent, 0)
wait_for_counts(mount, (0, 0))
assert state() == "current" and is_free()
os.kill(child, signal.SIGKILL)

# exec: the process lives, and what it had mapped is gone with the program that it was.
reads, writes = os.pipe()


def become(program):
    mine = Peer(mount)
    assert mine.attach(path, lease=EXCLUSIVE | WRITE).code == 0
    os.write(writes, b"1")
    os.execv(program, [program, "1000"])


sleeper = in_child(lambda: become("/bin/sleep"))
os.read(reads, 1)
wait_for_counts(mount, (0, 0))
assert os.waitpid(sleeper, os.WNOHANG) == (0, 0), "it lives"
assert state() == "current" and is_free()
os.kill(sleeper, signal.SIGKILL)
EOF2
