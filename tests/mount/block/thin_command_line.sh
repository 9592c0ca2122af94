# What `gmemfs block --thin` makes, takes and refuses.
# needs: nbdsh nbdinfo
refuses "--size says how large it is" "$GMEMFS" block "$MNT/disk" --thin --socket s
refuses "a multiple of 4 KiB" "$GMEMFS" block "$MNT/disk" --thin --size 1000 --socket s
refuses "at most 61" "$GMEMFS" block "$MNT/disk" --thin --size 100T --socket s
fails test -e "$MNT/disk"
refuses "on no gmemfs mount" "$GMEMFS" block "$PWD/elsewhere" --thin --size 16M --socket s
fails test -e elsewhere
printf x > "$MNT/file"
refuses "it is a file; a thin disk is a directory" "$GMEMFS" block "$MNT/file" --thin --size 1G --socket s
mkdir "$MNT/other" "$MNT/empty"
touch "$MNT/other/letter"
refuses "it has other files: letter" "$GMEMFS" block "$MNT/other" --thin --size 1G --socket s
refuses "a directory without a size" "$GMEMFS" block "$MNT/empty" --socket s
refuses "a thin disk asks the mount's server for memory" "$GMEMFS" swap on "$MNT/empty" --size 1G
fails test -e s
# An empty directory becomes one; a size that is said again must be the same.
serve "$MNT/empty" --thin --size 1G
"$GMEMFS" block --detach "$MNT/empty"
refuses "it is there, with 1 GiB" "$GMEMFS" block "$MNT/empty" --thin --size 2G --socket s
refuses "it is there, with 1 GiB" "$GMEMFS" block "$MNT/empty" --size 2G --socket s
refuses "take a file" "$GMEMFS" block "$MNT/empty" --locked --socket s
fails test -e s
serve "$MNT/empty" --thin --size 1024M
refuses "it is a block device already" "$GMEMFS" block "$MNT/empty" --socket s
expect_error "busy" umount "$MNT"
"$GMEMFS" block --detach "$MNT/empty"
# The last part may be one that the disk ends in; it is a whole one all the same, and goes like the others.
echo 100M > "$MNT/empty/size"
serve "$MNT/empty"
is "$(nbdinfo --size "$NBD")" 104857600
nbd_shell '
h.pwrite(b"e" * 8192, (100 << 20) - 8192)
assert h.pread(1 << 20, 99 << 20) == bytes((1 << 20) - 8192) + b"e" * 8192'
has_parts "$MNT/empty" 1
"$GMEMFS" block --detach "$MNT/empty"
serve "$MNT/empty" --verify # grown, and with checksums
nbd_shell 'assert h.pread(8192, (100 << 20) - 8192) == b"e" * 8192; h.trim(36 << 20, 64 << 20)'
has_parts "$MNT/empty" 0
nbd_shell 'h.pwrite(b"g" * 4096, 64 << 20)'
printf x | dd of="$MNT/empty/000001" bs=1 conv=notrunc status=none
expect_error "Input/output error" nbd_shell 'h.pread(4096, 64 << 20)'
"$GMEMFS" block --detach "$MNT/empty"
echo 1G > "$MNT/empty/size"
serve "$MNT/empty"
is "$(nbdinfo --size "$NBD")" 1073741824
nbd_shell 'h.pwrite(b"g" * 4096, (1 << 30) - 4096); assert h.pread(4096, 64 << 20) == b"x" + b"g" * 4095'
"$GMEMFS" block --detach "$MNT/empty"
# What isn't a thin disk any more is refused, and stays.
echo 128M > "$MNT/empty/size"
refuses "000015: it lies past the disk's end" "$GMEMFS" block "$MNT/empty" --socket s
echo much > "$MNT/empty/size"
refuses "much is none" "$GMEMFS" block "$MNT/empty" --socket s
echo 1G > "$MNT/empty/size"
truncate -s 3M "$MNT/empty/000003"
refuses "000003: a part is a file of 64 MiB" "$GMEMFS" block "$MNT/empty" --socket s
rm "$MNT/empty/000003"
# Read only: nothing is taken, given back or removed.
touch "$MNT/empty/000002"
serve "$MNT/empty" --read-only
nbd_shell '
import nbd
h.set_strict_mode(0)
for call in lambda: h.pwrite(b"x" * 4096, 5 << 26), lambda: h.trim(64 << 20, 64 << 20):
    try:
        call()
    except nbd.Error as error:
        assert error.errno == "EPERM", error
    else:
        raise AssertionError("it was written")
assert h.pread(4096, 64 << 20) == b"x" + b"g" * 4095 and h.pread(4096, 2 << 26) == bytes(4096)'
has_parts "$MNT/empty" 2
[ -e "$MNT/empty/000002" ]
"$GMEMFS" block --detach "$MNT/empty"
# It can be copied, and be saved, as any directory.
cp -r "$MNT/empty" copy
cmp copy/000001 "$MNT/empty/000001"
rm -r "$MNT/empty"
cp -r copy "$MNT/again"
serve "$MNT/again"
nbd_shell 'assert h.pread(4096, 64 << 20) == b"x" + b"g" * 4095 and h.pread(4096, (1 << 30) - 4096) == b"g" * 4096'
has_parts "$MNT/again" 2
"$GMEMFS" block --detach "$MNT/again"
# A part that can't be mapped is an error of its write.
GMEMFS_SIM_FAULTS="cuMemMap#1=OUT_OF_MEMORY" serve "$MNT/thin" --thin --size 1G --no-spare
expect_error "Input/output error" nbd_shell 'h.pwrite(b"x", 0)'
nbd_shell 'h.pwrite(b"x", 0); assert h.pread(2, 0) == b"x\0"'
has_parts "$MNT/thin" 1
"$GMEMFS" block --detach "$MNT/thin"
