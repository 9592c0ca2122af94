# --read-only: clients are told, and who writes all the same is refused.
# needs: nbdcopy nbdsh nbdinfo
random_bytes 8M > "$MNT/disk"
sum=$(sha "$MNT/disk")
serve "$MNT/disk" --read-only
says "is_read_only: true" nbdinfo "$NBD"
nbd_shell '
import nbd
h.set_strict_mode(0)
for call in lambda: h.pwrite(b"x" * 4096, 0), lambda: h.zero(4096, 0), lambda: h.trim(4096, 0), \
        lambda: h.pwrite(bytes(6 << 20), 0):
    try:
        call()
    except nbd.Error as error:
        assert error.errno == "EPERM", error
    else:
        raise AssertionError("it was written")
'
nbdcopy "$NBD" back
is "$(sha back)" "$sum"
is "$(sha "$MNT/disk")" "$sum"
"$GMEMFS" block --detach "$MNT/disk"
