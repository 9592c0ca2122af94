# What a process stores through a shared mapping of a packed file is there, before it was packed and after.
weights 8388608 > model
cp model "$MNT/f"
PYTHONPATH="$TESTS/cold" python3 - "$MNT/f" << 'P'
import mmap, os, sys
from control import pack
path, good = sys.argv[1], bytearray(open("model", "rb").read())
fd = os.open(path, os.O_RDWR)
mapping = mmap.mmap(fd, 0)
for at in (5, 131071, 4000000, 8388600):
    assert pack(path)[2]
    mapping[at:at + 6] = good[at:at + 6] = b"stored"
    mapping.flush()
    assert mapping[:] == good
assert pack(path)[2]
mapping[77:83] = good[77:83] = b"before"  # of a page that is here, so that the server hears of it later
assert pack(path)[2]
mapping.close()
os.close(fd)
assert open(path, "rb").read() == good
P
