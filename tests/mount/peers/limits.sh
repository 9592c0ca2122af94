# A peer has 65,536 leases at the most, a user who isn't root 1,024 connections: EUSERS, and others are served all the same.
# options: -o allow_other
# timeout: 300
needs_root
truncate -s 2M "$MNT/f"
chmod 666 "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, resource, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
EUSERS = 87
peer = Peer(mount)
leases = []
ticket = os.getxattr(path, "user.gmemfs.ticket")
for _ in range(65536):
    answer = peer.attach_ticket(ticket, FABRIC)
    assert answer.code == 0
    leases.append(answer.lease)
assert peer.attach(path, FABRIC).code == EUSERS
peer.release(leases.pop())
assert peer.attach(path, FABRIC).code == 0
assert counts(mount) == (1, 65536), counts(mount)
for lease in leases:
    assert peer.release(lease) == 0
peer.close()
if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 4096:
    print("skip: fewer than 4,096 descriptors are allowed here")
    sys.exit(77)
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
if os.fork() == 0:
    os.setresuid(1234, 1234, 1234)
    peers = [Peer(mount) for _ in range(1024)]
    assert all(peer.attach(path).code == 0 for peer in peers[-3:])
    one_more = Peer(mount)
    refused = one_more.receive()
    assert refused.code == EUSERS and "close some" in refused.text, refused.text
    peers.pop().close()
    os._exit(0)
assert os.wait()[1] == 0
assert Peer(mount).attach(path).code == 0
EOF
