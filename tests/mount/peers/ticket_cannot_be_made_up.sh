# A ticket is good for its own file only: no bit of it can be changed, and another file's number gets nothing.
truncate -s 2M "$MNT/a"
truncate -s 2M "$MNT/b"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
good = os.getxattr(mount + "/a", "user.gmemfs.ticket")
assert Peer(mount).attach_ticket(good).code == 0
ESTALE = 116
peer = Peer(mount)
for bit in range(8 * len(good)):
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    assert peer.attach_ticket(bytes(bad)).code == ESTALE, bit
other = os.getxattr(mount + "/b", "user.gmemfs.ticket")
assert peer.attach_ticket(other[:8] + good[8:]).code == ESTALE
# Renaming another file to the name in between doesn't change what the ticket names.
os.rename(mount + "/b", mount + "/a")
assert peer.attach_ticket(good).code == ESTALE, "the file is gone"
assert peer.attach_ticket(other).code == 0
EOF
