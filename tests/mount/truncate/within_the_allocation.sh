# Small steps up and down inside one granule show no old byte.
# posix
printf 0123456789 > "$MNT/f"
truncate -s 4 "$MNT/f"
truncate -s 10 "$MNT/f"
is "$(od -An -c "$MNT/f" | tr -d ' \n')" '0123\0\0\0\0\0\0'
truncate -s 3 "$MNT/f"
printf x | dd of="$MNT/f" bs=1 seek=6 conv=notrunc status=none
is "$(od -An -c "$MNT/f" | tr -d ' \n')" '012\0\0\0x'
