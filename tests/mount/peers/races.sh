# Symbolic links, renames and hard links that change while a peer attaches give nobody root's file: what is attached is what was
# opened. Nobody can put a socket of their own in the broker's place.
# options: -o allow_other
# timeout: 120
needs_root
mkdir -m 777 "$MNT/open"
truncate -s 2M "$MNT/secret"
chmod 600 "$MNT/secret"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import errno, json, signal, sys, time
from peer import *
mount = sys.argv[1]
path = mount + "/open/x"
ids = lambda file: [extent["id"] for extent in json.loads(os.getxattr(file, "user.gmemfs.extents"))]
secret = ids(mount + "/secret")[0]
SECONDS = 3


def become_nobody():
    os.setgroups([])
    os.setresgid(1234, 1234, 1234)
    os.setresuid(1234, 1234, 1234)


def goes_on(until, brought):
    """For 3 s; on a slow machine longer, until enough was attached for a race."""
    return time.monotonic() < (until if brought > 10 else until + 60)


def swap(until):
    """x is everybody's file, a link to root's, root's itself, another one of everybody's, nothing; until it is killed."""
    os.umask(0)
    while True:
        for make in (lambda: os.rename(mount + "/open/own", path), lambda: os.symlink("../secret", path),
                     lambda: os.link(mount + "/secret", path), lambda: os.close(os.open(path, os.O_CREAT, 0o666))):
            try:
                make()
                os.unlink(path)
            except OSError:
                pass
        with open(mount + "/open/own", "wb") as file:
            os.truncate(file.fileno(), 2 << 20)


def attack(until):
    """As a user: whatever the name stands for, root's extent never comes."""
    peer, brought = Peer(mount), 0
    while goes_on(until, brought):
        try:
            answer = peer.attach(path, FABRIC)
        except OSError as error:
            assert error.errno in (errno.ENOENT, errno.EACCES, errno.ENODATA, errno.ESTALE), error
            continue
        if answer.code == 0:
            brought += 1
            assert all(extent[2] != secret for extent in answer.extents), "a user has root's file"
            peer.release(answer.lease)
        for name, entry in peer.attach_directory(mount + "/open", FABRIC).items():
            assert all(extent[2] != secret for extent in entry.extents), "a user has root's file"
            if entry.code == 0:
                brought += 1
                peer.release(entry.lease)
    assert brought > 10, f"attached {brought} times: the race was none"


def use(until):
    """As root: what is attached is the file that is open, wherever its name points by then."""
    peer, brought = Peer(mount), 0
    while goes_on(until, brought):
        try:
            fd = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            before = ids(f"/proc/self/fd/{fd}")
            answer = peer.attach(f"/proc/self/fd/{fd}", FABRIC)
            if answer.code == 0:
                brought += 1
                if before == ids(f"/proc/self/fd/{fd}"):  # else somebody has truncated it meanwhile
                    assert [extent[2] for extent in answer.extents] == before
                peer.release(answer.lease)
        except OSError as error:
            assert error.errno in (errno.ESTALE, errno.ENODATA), error
        os.close(fd)
    assert brought > 10, f"attached {brought} times: the race was none"


until = time.monotonic() + SECONDS
children = []
for role, is_user in ((swap, False), (swap, False), (attack, True), (attack, True), (use, False)):
    children.append(os.fork())
    if children[-1] == 0:
        if is_user:
            become_nobody()
        role(until)
        os._exit(0)
ended = [os.waitpid(child, 0)[1] for child in children[2:]]
for child in children[:2]:
    os.kill(child, signal.SIGKILL)
assert ended == [0, 0, 0] and [os.waitpid(child, 0)[1] for child in children[:2]] == [signal.SIGKILL] * 2

if os.fork() == 0:
    become_nobody()
    name = mount + "/open/.gmemfs.socket"
    open(mount + "/open/mine", "wb").close()
    for take in (lambda: socket.socket(socket.AF_UNIX).bind(name), lambda: os.rename(mount + "/open/mine", name),
                 lambda: os.link(mount + "/open/mine", name), lambda: os.symlink("mine", name), lambda: os.mkdir(name),
                 lambda: os.unlink(name), lambda: os.rename(name, mount + "/open/theirs")):
        try:
            take()
            os._exit(1)
        except OSError:
            pass
    os._exit(0)
assert os.wait()[1] == 0
assert Peer(mount + "/open").attach(mount + "/secret").code == 0
EOF
