# The next server finds peers that have no number in its PID namespace, tells them from their children, and hears of their end.
# mount: none
# needs: unshare
# timeout: 60
needs_root
needs_linux_that_asks_again
mkdir -p "$MNT"
# The first process of the namespace stays until all is over: with it everything in there would end.
unshare --pid --fork --kill-child sh -c '"$@" && exec sleep 1000' sh "$GMEMFS" mount "$MNT" --simulate="$SIZE" --ecc=on --scrub-every=1 &
until mountpoint -q "$MNT"; do sleep 0.05; done
inside=$(pgrep -P $!)
truncate -s 2M "$MNT/f"
truncate -s 2M "$MNT/g"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" "$inside" <<'EOF2'
import json, os, select, signal, subprocess, sys
from peer import *
mount, inside = sys.argv[1:]
path = mount + "/f"
EBUSY, EPERM = 16, 1
stats = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))
state = lambda: os.getxattr(path, "user.gmemfs.ecc").decode()
in_there = lambda *command: subprocess.run(["nsenter", "-t", inside, "-p", *command], check=True)
mine = Peer(mount)
lease = mine.attach(path, lease=WRITE)
child, _ = fork_and_let_go(mount, [path, mount + "/g"], WRITE)
for _ in range(2):
    before = stats()["server_pid"]
    in_there("sh", "-c", f"kill -KILL {before}; while kill -0 {before} 2> /dev/null; do :; done")
    assert stats()["server_pid"] != before
    wait_for_counts(mount, (2, 3))
    os.sync()
    assert state() == "open"
    other = Peer(mount)
    refused = other.attach(path, lease=EXCLUSIVE)
    assert refused.code == EBUSY and "another PID namespace" in refused.text, refused.text
    other.close()
    forked = os.fork()
    if forked == 0:
        os._exit(0 if mine.release(lease.lease) == 0 and mine.attach(path).code == EPERM else 1)
    assert os.waitpid(forked, 0)[1] == 0
    assert counts(mount) == (2, 3), counts(mount)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
wait_for_counts(mount, (1, 1))
assert mine.release(lease.lease) == 0 and state() == "current"
EOF2
"$GMEMFS" umount --lazy "$MNT"
