# Where a peer has the memory, user.gmemfs.digest is made anew each time.
truncate -s 2M "$MNT/shared"
peer_python - "$MNT/shared" << 'P'
import ctypes, os, sys
import gmemfs
path = sys.argv[1]
digest = lambda: os.getxattr(path, "user.gmemfs.digest")
with gmemfs.open(path).map() as mapping:
    data = mapping.array((2 << 20,), "uint8").address & ~(1 << 62)  # the simulator's addresses; without it the host's
    before = digest()
    assert digest() == before
    ctypes.memset(data + 1000, 1, 1)
    assert digest() != before
    ctypes.memset(data + 1000, 0, 1)
    assert digest() == before
P
