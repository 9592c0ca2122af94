# A connection that ends without a release leaves its lease until its process has ended: kernels may still be running.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
to_child, child_reads = os.pipe()[::-1]
from_child, child_writes = os.pipe()
child = os.fork()
if child == 0:
    peer = Peer(mount)
    assert peer.attach(path, lease=EXCLUSIVE).code == 0
    peer.close()
    os.write(child_writes, b"1")
    os.read(child_reads, 1)
    os._exit(0)
os.read(from_child, 1)
Peer(mount).attach(path)  # a round trip: the broker has seen the end of the connection
EBUSY = 16
assert Peer(mount).attach(path).code == EBUSY
os.write(to_child, b"1")
os.waitpid(child, 0)
wait_for_counts(mount, (0, 0))
assert Peer(mount).attach(path).code == 0
EOF
