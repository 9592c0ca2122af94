# Asking for the size, and with too small a buffer, works as the man page says.
# posix
touch "$MNT/f"
setfattr -n user.a -v 12345 "$MNT/f"
python3 - "$MNT/f" <<'PYTHON'
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
path, name = os.fsencode(sys.argv[1]), b"user.a"
assert libc.getxattr(path, name, None, 0) == 5
assert libc.getxattr(path, name, ctypes.create_string_buffer(3), 3) == -1 and ctypes.get_errno() == errno.ERANGE
assert libc.listxattr(path, None, 0) >= 7
assert libc.listxattr(path, ctypes.create_string_buffer(3), 3) == -1 and ctypes.get_errno() == errno.ERANGE
PYTHON
