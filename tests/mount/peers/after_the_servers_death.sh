# A server that takes over after a crash has a broker at the same place, and peers get the same memory from it.
# server: killed
# mount: none
"$GMEMFS" mount "$MNT" --simulate=256M
random_bytes 5M > source
cp source "$MNT/f"
(cd "$BUILD" && PYTHONPATH="$TESTS/peers" python3 -c 'import sys
from peer import *
assert Peer(sys.argv[1]).attach(sys.argv[1] + "/f").code == 0' "$MNT")
pid=$(server_pid)
crash_server "$pid"
is "$(sha "$MNT/f")" "$(sha source)"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" << 'EOF'
import sys
from peer import *
for _ in range(1000000):  # the mount answers before the broker does
    try:
        peer = Peer(sys.argv[1])
        break
    except OSError:
        os.sched_yield()
assert peer.attach(sys.argv[1] + "/f").code == 0
EOF
"$GMEMFS" umount "$MNT"
