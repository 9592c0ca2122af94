# fsync, fdatasync and sync succeed.
# posix
dd if=/dev/zero of="$MNT/f" bs=64K count=4 conv=fsync status=none
dd if=/dev/zero of="$MNT/f" bs=64K count=4 conv=fdatasync,notrunc status=none
mkdir "$MNT/d"
sync "$MNT/f" "$MNT/d"
sync -f "$MNT/f"
