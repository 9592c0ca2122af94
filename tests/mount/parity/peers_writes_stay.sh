# options: --ecc=on --verify-reads
# What a peer writes through its mapping is never repaired away: the file is open until it is sealed.
truncate -s 4M "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
xattr user.fabric_handle "$MNT/f" > handle
is "$(xattr user.gmemfs.ecc "$MNT/f")" open
expect_error "a peer may be writing" "$GMEMFS" scrub "$MNT/f"
peer_python - "$MNT/f" <<'P'
import ctypes, os, sys
import gmemfs
path = sys.argv[1]
file = os.open(path, os.O_RDWR)
state = lambda: os.getxattr(path, "user.gmemfs.ecc")
with gmemfs.open(path).map() as mapping:
    # The simulator's device addresses carry bit 62; without it they are the host's.
    data = mapping.array((4 << 20,), "uint8").address & ~(1 << 62)
    ctypes.memset(data + 1234567, 77, 1)  # one byte: what a repair would take away
    assert state() == b"open", state()
    assert os.pread(file, 1, 1234567) == b"M"
    os.fsync(file)  # somebody else's: the lease to write is still held
    assert state() == b"open", state()
    ctypes.memset(data + 1234568, 78, 1)
    assert os.pread(file, 2, 1234567) == b"MN"
P
# With the last lease it is sealed: what the peer wrote is what is right from here on.
for _ in $(seq 50); do [ "$(xattr user.gmemfs.ecc "$MNT/f")" = current ] && break; sleep 0.1; done
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
"$GMEMFS" verify "$MNT/f"
is "$(dd if="$MNT/f" bs=1 skip=1234567 count=2 status=none)" MN
is "$("$GMEMFS" stat --json "$MNT" | json 'd["parity"]["blocks_repaired"]')" 0
# By handle alone there is no lease: fsync or seal ends it.
xattr user.fabric_handle "$MNT/f" > handle
is "$(xattr user.gmemfs.ecc "$MNT/f")" open
"$GMEMFS" seal "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
xattr user.fabric_handle "$MNT/f" > handle
sync "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
