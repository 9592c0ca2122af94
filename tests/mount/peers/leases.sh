# Shared leases go together, an exclusive one goes alone; each ends with its release or its connection.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
EBUSY, ENOENT = 16, 2
one, two = Peer(mount), Peer(mount)
first, second = one.attach(path, lease=WRITE), two.attach(path)
assert first.code == 0 and second.code == 0 and first.lease != second.lease
refused = Peer(mount).attach(path, lease=EXCLUSIVE)
assert refused.code == EBUSY and "lease" in refused.text, refused.text
assert two.release(first.lease) == ENOENT, "another peer's"
assert one.release(first.lease) == 0 and one.release(first.lease) == ENOENT
assert two.release(second.lease) == 0
alone = one.attach(path, lease=EXCLUSIVE | WRITE)
assert alone.code == 0
assert two.attach(path).code == EBUSY
assert one.release(alone.lease) == 0
assert two.attach(path).code == 0
EOF
