# A peer that asks without end and takes no answer doesn't keep another one waiting.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
ticket = os.getxattr(mount + "/f", "user.gmemfs.ticket")
greedy = Peer(mount)
greedy.socket.setblocking(False)
message = header(2, 24) + b"\0" * 8
sent = 0
try:
    while True:
        greedy.socket.send(message)
        sent += 1
except BlockingIOError:
    pass
assert sent > 10
for _ in range(20):
    assert Peer(mount).attach(mount + "/f").code == 0
EOF
