# A punched hole reads as zeros, and its neighbours stay.
# needs: fallocate
# posix
random_bytes 6M > source
cp source "$MNT/f"
fallocate -p -o 1000001 -l 3000000 "$MNT/f" 2> said || { grep -q "not supported" said && skip "no hole punching yet"; }
dd if=/dev/zero of=source bs=3000000 count=1 seek=1000001 oflag=seek_bytes conv=notrunc status=none
cmp source "$MNT/f"
