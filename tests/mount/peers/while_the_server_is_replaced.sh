# Peers that attach and release while one server follows the other notice nothing; and after `gmemfs restart` there is a broker.
# mount: none
# timeout: 120
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
truncate -s 2M "$MNT/f"
for _ in 1 2 3 4 5 6; do
    "$GMEMFS" restart "$MNT" > restarted
    xattr user.gmemfs.socket "$MNT" > socket
done
cat > peer.txt <<'EOF2'
from lives import *
import random, time
mount, seconds = sys.argv[1], float(sys.argv[2])
path, count, end = mount + "/f", 0, time.monotonic() + seconds
file = gmemfs.open(path)
while time.monotonic() < end:
    held = file.map()
    file.map().unmap()
    held.unmap()
    count += 1
assert count > 3, count
EOF2
peers=()
for _ in 1 2; do
    peer_python peer.txt "$MNT" 6 & peers+=($!)
done
# By nothing but the protocol, on one connection: as an older library.
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF2' & peers+=($!)
import sys, time
from peer import *
mount = sys.argv[1]
peer, end, leases = Peer(mount), time.monotonic() + 6, []
answer = peer.attach(mount + "/f", FABRIC)
while time.monotonic() < end:
    assert Peer(mount).attach(mount + "/f", FABRIC).code == 0
    time.sleep(0.05)
assert peer.release(answer.lease) == 0
EOF2
for _ in 1 2 3; do
    "$GMEMFS" restart "$MNT"
    sleep 0.3
done
status=0
for peer in "${peers[@]}"; do wait "$peer" || status=$?; done
is "$status" 0
PYTHONPATH="$TESTS/peers" python3 -c 'import sys; from peer import *; wait_for_counts(sys.argv[1], (0, 0))' "$MNT"
"$GMEMFS" umount "$MNT"
