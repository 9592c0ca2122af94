# A writer whose connection has ended may have kernels running: until its process is gone its parity is left alone, the file
# isn't lent to who wants it alone, and neither unlink nor truncate recycles its memory.
# options: --ecc=on
truncate -s 4M "$MNT/f"
truncate -s 4M "$MNT/gone"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import json, os, signal, sys
from peer import *
mount = sys.argv[1]
state = lambda: os.getxattr(mount + "/f", "user.gmemfs.ecc").decode()
stats = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))
at_first = stats()["used"]
assert state() == "current"
child, _ = fork_and_let_go(mount, [mount + "/f", mount + "/gone"], WRITE)
os.unlink(mount + "/gone")
os.truncate(mount + "/f", 2 << 20)
for _ in range(20):  # round trips: the broker has long seen the end of the connection
    EBUSY = 16
    other = Peer(mount)
    assert other.attach(mount + "/f", lease=EXCLUSIVE).code == EBUSY
    other.close()
assert state() == "open" and stats()["used"] == at_first, (state(), stats()["used"], at_first)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
wait_for_counts(mount, (0, 0))
assert state() == "current", state()
while stats()["used"] > at_first - (4 << 20):  # the removed file's
    os.sched_yield()
EOF
