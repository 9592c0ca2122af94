# dd moves pieces of odd sizes between odd places.
# posix
random_bytes 6M > a
cp a b
cp a "$MNT/f"
for piece in 1:4099:77777 131073:3000000:1 999999:5:2097151; do
    IFS=: read -r size skip seek <<< "$piece"
    move() { dd if="$1" of="$2" bs="$size" count=1 skip="$skip" seek="$seek" iflag=skip_bytes,fullblock oflag=seek_bytes conv=notrunc status=none; }
    move a b
    move a "$MNT/f"
done
cmp b "$MNT/f"
