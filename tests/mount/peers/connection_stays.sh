# A process keeps its connection when it has unmapped everything: the next mapping connects to nobody. The server that is restarted goes
# on with it; one of another mount, here or elsewhere, is connected to anew; and the server closes it when it was of no use for 30 s.
# mount: none
# timeout: 120
mkdir elsewhere
at() { "$GMEMFS" mount "$1" --simulate="$SIZE"; truncate -s 2M "$1/f"; }
at "$MNT"
GMEMFS="$GMEMFS" SIZE="$SIZE" peer_python - "$MNT" "$PWD/elsewhere" <<'PYTHON'
import os, subprocess, sys
import gmemfs
from peer import Peer, counts, wait_for_counts
mount, elsewhere = sys.argv[1:]
command = os.environ["GMEMFS"]


def run(*words):
    subprocess.run([command, *words], check=True)


def sockets():
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return {os.readlink(link) for link in links if os.path.lexists(link) and os.readlink(link).startswith("socket:")}


def use(place):
    with gmemfs.open(place + "/f").map(exclusive=True) as mapping:
        assert mapping.length == 2 << 20
        assert counts(place) == (1, 1)
    assert counts(place) == (1, 0)
    assert len(sockets()) == 1, sockets()
    return sockets()


def mount_at(place):
    run("mount", place, f"--simulate={os.environ['SIZE']}")
    with open(place + "/f", "wb") as file:
        file.truncate(2 << 20)


first = use(mount)
assert all(use(mount) == first for _ in range(20))
run("restart", mount)
assert use(mount) == first
for place in (mount, elsewhere, mount):
    run("umount", mount if os.path.ismount(mount) else elsewhere)
    mount_at(place)
    again = use(place)
    assert again != first
    first = again
# A program under `gmemfs run` that has nothing for so long has its directory still, and its connection: it may want memory again.
os.mkdir(mount + "/own")
program = Peer(mount)
attached = program.attach(mount + "/f")
assert program.release(attached.lease) == 0
donated = program.donate(mount + "/own", b"first", 2 << 20, attached.fds, flags=2)
assert donated.code == 0 and program.release(donated.lease) == 0, donated.text
wait_for_counts(mount, (1, 0))
assert os.listdir(mount + "/own") == []
donated = program.donate(mount + "/own", b"second", 2 << 20, attached.fds, flags=2)
assert donated.code == 0 and os.listdir(mount + "/own") == ["second"], donated.text
assert program.release(donated.lease) == 0
program.close()
wait_for_counts(mount, (0, 0))
assert use(mount) != first
PYTHON
"$GMEMFS" umount "$MNT"
