# A mapping while the file is truncated: what was cut off is zeros when it comes back, and touching none of it is SIGBUS.
# posix
python3 - "$MNT/f" << 'EOF'
import mmap, os, signal, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 20)
shared = mmap.mmap(fd, 1 << 20)
shared[:] = b"x" * (1 << 20)
os.ftruncate(fd, 4096)
os.ftruncate(fd, 1 << 20)
assert shared[:4096] == b"x" * 4096 and shared[4096:] == bytes((1 << 20) - 4096)
os.ftruncate(fd, 4096)
if os.fork() == 0:
    shared[8192]
    os._exit(0)
assert os.WTERMSIG(os.wait()[1]) == signal.SIGBUS
EOF
