# A removed file's bytes count as used until the last lease on it ends; its name is free at once.
truncate -s 8M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import json, os, sys
from peer import *
mount = sys.argv[1]
used = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))["used"]
peer = Peer(mount)
answer = peer.attach(mount + "/f")
[os.close(fd) for fd in answer.fds]
os.unlink(mount + "/f")
open(mount + "/f", "x").close()
assert used() == 8 << 20
peer.release(answer.lease)
assert used() == 0
with open(mount + "/f", "wb") as file:
    file.truncate(4 << 20)
    answer = peer.attach(mount + "/f")
    file.truncate(0)
    assert os.stat(mount + "/f").st_size == 0 and used() == 4 << 20
    peer.release(answer.lease)
    assert used() == 0
EOF
