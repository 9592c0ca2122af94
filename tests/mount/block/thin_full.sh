# A thin disk whose device is full: ENOSPC for the write that needs more, and nothing else.
# needs: nbdsh
serve "$MNT/disk" --thin --size 4G
nbd_shell '
import nbd

def code_of(call):
    try:
        call()
        return "0"
    except nbd.Error as error:
        return error.errno

for part in (0, 1, 2):
    h.pwrite(bytes([part + 1]) * 65536, part << 26)
for _ in (0, 1):
    assert code_of(lambda: h.pwrite(b"x" * 4096, 3 << 26)) == "ENOSPC"
assert code_of(lambda: h.pwrite(b"x" * (1 << 20), (3 << 26) - 4096)) == "ENOSPC" # and nothing of it was written
assert code_of(lambda: h.zero(4096, 9 << 26, nbd.CMD_FLAG_NO_HOLE)) == "ENOSPC"
assert h.pread(4096, (3 << 26) - 4096) == bytes(4096) == h.pread(4096, 3 << 26)
for part in (0, 1, 2):
    assert h.pread(65536, part << 26) == bytes([part + 1]) * 65536
    h.pwrite(bytes([part + 2]) * 65536, part << 26)
h.trim(1 << 26, 1 << 26)
for _ in range(1000): # until the memory is back
    if code_of(lambda: h.pwrite(b"x" * 4096, 3 << 26)) == "0":
        break
else:
    raise AssertionError("it is full for ever")
assert h.pread(4096, 3 << 26) == b"x" * 4096
assert h.pread(65536, 2 << 26) == b"\4" * 65536 and h.pread(65536, 1 << 26) == bytes(65536)'
has_parts "$MNT/disk" 3
is "$(ls "$MNT/disk")" "000000
000002
000003
size"
"$GMEMFS" block --detach "$MNT/disk"
