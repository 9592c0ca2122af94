# A file without memory, and what is neither file nor directory, can't be attached: the answer says why.
touch "$MNT/f"
mkfifo "$MNT/p"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
ENODATA = 61
answer = Peer(mount).attach(mount + "/f")
assert answer.code == ENODATA and "truncate" in answer.text, answer.text
assert counts(mount)[1] == 0
try:
    os.getxattr(mount + "/p", "user.gmemfs.ticket")
    raise AssertionError("a pipe has no ticket")
except OSError as error:
    assert error.errno == ENODATA
EOF
