# A ticket is good for its own file only: no bit of it can be changed, and another file's number gets nothing.
truncate -s 2M "$MNT/a"
truncate -s 2M "$MNT/b"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
good = os.getxattr(mount + "/a", "user.gmemfs.ticket")
first = Peer(mount).attach_ticket(good)
assert first.code == 0
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
renamed = peer.attach_ticket(other)
assert renamed.code == 0 and renamed.extents[0][2] != first.extents[0][2]
stale = peer.attach_ticket(good)  # gone, or about to be: the kernel forgets a removed file a moment later
assert stale.code == ESTALE or stale.extents[0][2] == first.extents[0][2]
EOF
