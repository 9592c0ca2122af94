# More extents than one message carries descriptors: they come in several, in order.
# size: 1G
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
with open(mount + "/f", "wb") as file:
    for index in range(1, 301):
        file.truncate(index * 2 << 20)
        os.getxattr(mount + "/f", "user.fabric_handle")  # from now on this extent stays as it is
answer = Peer(mount).attach(mount + "/f")
assert (answer.code, answer.extent_count, len(answer.extents), len(answer.fds)) == (0, 300, 300, 300), answer.text
assert [extent[0] for extent in answer.extents] == [index * 2 << 20 for index in range(300)]
EOF
