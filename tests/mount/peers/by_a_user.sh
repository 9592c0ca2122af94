# An ordinary user's mount, which may not be copied for the socket, has an abstract one that does the same.
# user: nobody
truncate -s 2M "$MNT/f"
[[ $(xattr user.gmemfs.socket "$MNT/f") == @gmemfs-* ]]
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import sys
from peer import *
mount = sys.argv[1]
peer = Peer(mount)
answer = peer.attach(mount + "/f", lease=EXCLUSIVE)
assert answer.code == 0 and len(answer.fds) == 1
assert Peer(mount).attach(mount + "/f").code == 16
assert peer.release(answer.lease) == 0
EOF
