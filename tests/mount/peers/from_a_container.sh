# A process that sees of the host but one folder of the mount, in namespaces of its own, reaches the broker.
# needs: unshare
needs_mount_namespaces
mkdir -p "$MNT/team" shared
truncate -s 2M "$MNT/team/f"
cat > inside.py <<'EOF'
import sys
from peer import *
answer = Peer(sys.argv[1]).attach(sys.argv[1] + "/f")
assert answer.code == 0 and len(answer.fds) == 1
EOF
PYTHONPATH="$TESTS/peers" unshare --mount --pid --net --ipc --fork bash -eu -c '
    mount --bind "$0/team" "$1/shared" && umount -l "$0" && python3 "$1/inside.py" "$1/shared"' "$MNT" "$PWD"
