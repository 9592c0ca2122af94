# Files opened with O_DIRECT read and write the same bytes.
# posix
random_bytes 4M > source
dd if=source of="$MNT/f" bs=256K oflag=direct status=none
dd if="$MNT/f" of=copy bs=512K iflag=direct status=none
cmp source copy
