# A thin disk whose user is over quota: ENOSPC, as on a full device, and room again when something is discarded.
# options: --quota 0=130M
# needs: nbdsh
needs_root
serve "$MNT/disk" --thin --size 1G
nbd_shell '
import nbd
h.pwrite(b"x" * 4096, 0)
h.pwrite(b"x" * 4096, 1 << 26)
try:
    h.pwrite(b"x" * 4096, 2 << 26)
except nbd.Error as error:
    assert error.errno == "ENOSPC", error
else:
    raise AssertionError("there was room")
h.trim(1 << 26, 0)
for _ in range(1000): # until it has gone
    try:
        h.pwrite(b"y" * 4096, 2 << 26)
        break
    except nbd.Error:
        pass
assert h.pread(4096, 2 << 26) == b"y" * 4096 and h.pread(4096, 1 << 26) == b"x" * 4096'
has_parts "$MNT/disk" 2
"$GMEMFS" block --detach "$MNT/disk"
