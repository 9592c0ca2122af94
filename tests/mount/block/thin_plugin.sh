# nbdkit gmemfs DIR: a thin disk behind nbdkit, whose clients are told of its holes.
# needs: nbdkit nbdcopy nbdsh nbdinfo
plugin=${GMEMFS%/*}/nbdkit-gmemfs-plugin.so
[ -e "$plugin" ] || skip "nbdkit-plugin-dev was not there when this was built"
mkdir "$MNT/disk"
expect_error "it is a directory without a size" nbdkit -f -U "$PWD/e" "$plugin" "$MNT/disk"
serve "$MNT/disk" --thin --size 2G
expect_error "it is a block device already" nbdkit -f -U "$PWD/e" "$plugin" "$MNT/disk"
nbd_shell 'h.pwrite(b"a" * 4096, 1 << 30)'
"$GMEMFS" block --detach "$MNT/disk"
nbdkit -U "$PWD/s" -P "$PWD/pid" "$plugin" "$MNT/disk"
NBD="nbd+unix:///?socket=$PWD/s"
refuses "it is a block device already" "$GMEMFS" block "$MNT/disk" --socket t
is "$(nbdinfo --size "$NBD")" 2147483648
map() { nbdinfo --map --json "$NBD" | json '[(row["offset"] >> 20, row["length"] >> 20, row["type"]) for row in d]'; }
is "$(map)" "[(0, 1024, 3), (1024, 64, 0), (1088, 960, 3)]"
nbd_shell '
import nbd
assert h.pread(8192, (1 << 30) - 4096) == bytes(4096) + b"a" * 4096
h.pwrite(b"b" * (1 << 20), (256 << 20) - 4096)
try:
    h.zero(4096, 512 << 20, nbd.CMD_FLAG_NO_HOLE)
except nbd.Error as error:
    assert error.errno == "ENOSPC", error
else:
    raise AssertionError("there was room")
assert h.pread(1 << 20, (256 << 20) - 4096) == b"b" * (1 << 20)'
has_parts "$MNT/disk" 3 # the device has no room for one more
is "$(map)" "[(0, 192, 3), (192, 128, 0), (320, 704, 3), (1024, 64, 0), (1088, 960, 3)]"
nbd_shell 'h.trim(1 << 30, 0); h.zero(64 << 20, 1 << 30); assert h.pread(4096, 256 << 20) == bytes(4096)'
has_parts "$MNT/disk" 0
is "$(map)" "[(0, 2048, 3)]"
# A sparse image costs what is in it, there and back.
truncate -s 2G image
random_bytes 3M | dd of=image bs=1M seek=700 conv=notrunc status=none
nbdcopy image "$NBD"
has_parts "$MNT/disk" 1
nbdcopy "$NBD" back
cmp --ignore-initial=699M --bytes=5M image back
[ "$(du --block-size=1M back | cut -f 1)" -le 64 ]
pid=$(cat pid)
kill "$pid"
gone "$pid"
serve "$MNT/disk"
nbd_shell '
expected = open("image", "rb")
expected.seek(700 << 20)
assert h.pread(3 << 20, 700 << 20) == expected.read(3 << 20)'
"$GMEMFS" block --detach "$MNT/disk"
