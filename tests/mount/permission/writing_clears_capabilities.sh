# Whoever changes a program takes its file capabilities away: by a write, a truncation or a new owner; chmod doesn't.
# posix
needs_root
python3 - "$MNT/f" << 'EOF'
import os, struct, sys
path = sys.argv[1]
NAME, VALUE = "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # version 2, cap_net_bind_service

def write():
    with open(path, "r+b") as file:
        file.write(b"x")

for change, stays in ((write, False), (lambda: os.truncate(path, 1), False), (lambda: os.chown(path, 1, 1), False),
                      (lambda: os.chmod(path, 0o700), True), (lambda: os.utime(path), True)):
    with open(path, "wb") as file:
        file.write(b"abc")
    os.setxattr(path, NAME, VALUE)
    assert os.getxattr(path, NAME) == VALUE
    change()
    assert (NAME in os.listxattr(path)) == stays, (change, stays)
EOF
