# A peer that has no file open keeps nobody from unmounting; its connection ends then.
truncate -s 2M "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, subprocess, sys
from peer import *
mount = sys.argv[1]
peer = Peer(mount)
assert peer.attach(mount + "/f").code == 0
subprocess.run(["umount" if os.getuid() == 0 else "fusermount3", *([] if os.getuid() == 0 else ["-u"]), mount], check=True)
assert peer.receive() is None
EOF
