# One round trip brings every extent: descriptors where they are asked for, fabric handles where they may be.
truncate -s 6M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
answer = Peer(mount).attach(mount + "/f")
assert (answer.code, answer.size, answer.allocated, answer.extent_count, len(answer.fds)) == (0, 6 << 20, 6 << 20, 1, 1)
offset, length, _, device, kind, _, _ = answer.extents[0]
assert (offset, length, kind) == (0, 6 << 20, DESCRIPTOR)
answer = Peer(mount).attach(mount + "/f", FABRIC | DESCRIPTOR)
assert answer.extents[0][4] == FABRIC and not answer.fds
assert answer.extents[0][6] == os.getxattr(mount + "/f", "user.fabric_handle")
EOF
