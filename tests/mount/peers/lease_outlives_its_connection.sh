# A connection that ends without a release leaves its lease until its process has ended: kernels may still be running.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
child, to_child = fork_and_let_go(mount, [path], EXCLUSIVE)
Peer(mount).attach(path)  # a round trip: the broker has seen the end of the connection
EBUSY = 16
assert Peer(mount).attach(path).code == EBUSY
os.close(to_child)
os.waitpid(child, 0)
wait_for_counts(mount, (0, 0))
assert Peer(mount).attach(path).code == 0
EOF
