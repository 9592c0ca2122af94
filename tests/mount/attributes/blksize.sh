# What stat(2) tells programs to read and write by: 1 MiB, or what --blksize says.
# mount: none
"$GMEMFS" mount --simulate=64M "$MNT"
touch "$MNT/f"
is "$(stat -c %o "$MNT/f")" 1048576
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount --simulate=64M -o blksize=128K "$MNT"
touch "$MNT/f"
is "$(stat -c %o "$MNT/f") $(stat -c %o "$MNT")" "131072 131072"
"$GMEMFS" umount "$MNT"
for size in 100K 2M 1K 0; do
    expect_error "a power of 2 from 4K to 1M" "$GMEMFS" mount --simulate=64M --blksize="$size" "$MNT"
    fails mounted "$MNT"
done
