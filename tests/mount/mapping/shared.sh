# mmap, shared: what one process writes, others see through their mappings and through read; it outlives the mapping.
# posix
python3 - "$MNT/f" << 'EOF'
import mmap, os, sys
path = sys.argv[1]
size = 3 << 20
with open(path, "wb") as file:
    file.truncate(size)
fd = os.open(path, os.O_RDWR)
shared = mmap.mmap(fd, size)
shared[0:5] = b"first"
shared[size - 5:] = b"final"
if os.fork() == 0:
    other = os.open(path, os.O_RDWR)
    seen = mmap.mmap(other, size)
    ok = seen[0:5] == b"first" and seen[size - 5:] == b"final"
    seen[1 << 20:(1 << 20) + 5] = b"child"
    os._exit(0 if ok else 1)
assert os.wait()[1] == 0
assert shared[1 << 20:(1 << 20) + 5] == b"child"
shared.flush()
assert os.pread(fd, 5, 1 << 20) == b"child"
# And the other way: what is written by write(2) is seen through the mapping.
os.pwrite(fd, b"write", 4096)
assert shared[4096:4101] == b"write"
shared.close()
os.close(fd)
with open(path, "rb") as file:
    bytes = file.read()
assert bytes[0:5] == b"first" and bytes[-5:] == b"final" and bytes[1 << 20:(1 << 20) + 5] == b"child"
assert len(bytes) == size
EOF
