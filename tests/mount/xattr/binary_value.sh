# A value is bytes: zeros, high ones, as many as 4096.
# posix
touch "$MNT/f"
python3 - "$MNT/f" <<'PYTHON'
import os, sys
value = bytes(range(256)) * 16
os.setxattr(sys.argv[1], "user.bytes", value)
assert os.getxattr(sys.argv[1], "user.bytes") == value
PYTHON
