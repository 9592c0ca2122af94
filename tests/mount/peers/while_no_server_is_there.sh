# What becomes of peers while no server is there the next one knows: who ended, who lives on (also with another's number), who has let go
# of its connection; by the supervisor, and by a mount on what a crash left.
# mount: none
# server: killed
# timeout: 120
for way in supervisor mount; do
    [ "$way" = mount ] || needs_linux_that_asks_again
    "$GMEMFS" mount "$MNT" --simulate="$SIZE" --ecc=on --scrub-every=1
    for name in lives ends lets_go gone; do truncate -s 2M "$MNT/$name"; done
    PYTHONPATH="$TESTS/peers" python3 - "$MNT" "$way" "$GMEMFS" "$SIZE" <<'EOF2'
import json, os, select, signal, subprocess, sys
from peer import *
mount, way, program, size = sys.argv[1:]
EBUSY = 16
stats = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))
state = lambda name: os.getxattr(f"{mount}/{name}", "user.gmemfs.ecc").decode()


def kill(pid):
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([ended], [], [])


lives = Peer(mount)
lease = lives.attach(mount + "/lives", lease=WRITE | EXCLUSIVE)
gone = lives.attach(mount + "/gone", lease=WRITE)
os.unlink(mount + "/gone")
lets_go, to_child = fork_and_let_go(mount, [mount + "/lets_go"], WRITE)
ends, _ = fork_and_let_go(mount, [mount + "/ends"], WRITE)
server = stats()["server_pid"]
supervisor = int(open(f"/proc/{server}/stat").read().rsplit(")", 1)[1].split()[1])
if way == "supervisor":
    os.kill(supervisor, signal.SIGSTOP)
else:
    kill(supervisor)
kill(server)
kill(ends)
os.waitpid(ends, 0)
if way == "supervisor":
    os.kill(supervisor, signal.SIGCONT)
else:
    subprocess.run([program, "mount", mount, f"--simulate={size}", "--ecc=on", "--scrub-every=1"], check=True)
wait_for_counts(mount, (2, 3))
assert (state("lives"), state("lets_go"), state("ends")) == ("open", "open", "current")
used = stats()["used"]
assert used >= 4 * (2 << 20), "what a peer has mapped counts, without a name too"
os.sync()
assert state("lives") == "open"
assert Peer(mount).attach(mount + "/lives").code == EBUSY
assert Peer(mount).attach(mount + "/lets_go", lease=EXCLUSIVE).code == EBUSY
assert lives.release(lease.lease) == 0, "on the connection of before"
assert lives.release(gone.lease) == 0
assert stats()["used"] == used - (2 << 20)
os.close(to_child)
os.waitpid(lets_go, 0)
lives.close()
wait_for_counts(mount, (0, 0))
for name in ("lives", "lets_go", "ends"):
    assert state(name) == "current" and Peer(mount).attach(f"{mount}/{name}", lease=EXCLUSIVE).code == 0, name
EOF2
    "$GMEMFS" umount "$MNT"
done
