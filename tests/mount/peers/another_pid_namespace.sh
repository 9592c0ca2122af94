# A peer whose process has no number in the server's PID namespace holds its lease until it has ended, too.
# mount: none
# needs: unshare
needs_root
python3 -c 'import socket; socket.socketpair(socket.AF_UNIX)[0].getsockopt(socket.SOL_SOCKET, 77)' 2> /dev/null ||
    skip "this kernel has no SO_PEERPIDFD (6.5)"
mkdir -p "$MNT"
unshare --pid --fork "$GMEMFS" mount -f --simulate="$SIZE" --keeper=off --handles=fd "$MNT" > server.log 2>&1 & server=$!
until mountpoint -q "$MNT"; do sleep 0.05; done
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, signal, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
child, _ = fork_and_let_go(mount, [path], EXCLUSIVE)
for _ in range(5):
    refused = Peer(mount).attach(path)
    assert refused.code == 16 and "another PID namespace" in refused.text, refused.text
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
wait_for_counts(mount, (0, 0))
assert Peer(mount).attach(path).code == 0
EOF
umount "$MNT"
wait "$server"
