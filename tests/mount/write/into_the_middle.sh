# A write into the middle changes its bytes and no others.
# posix
random_bytes 4M > source
cp source "$MNT/f"
for offset in 1 4095 131071 1048575 2097151 2097152; do
    for file in source "$MNT/f"; do
        printf '%s' "here at $offset" | dd of="$file" bs=64K seek=$offset oflag=seek_bytes conv=notrunc status=none
    done
done
cmp source "$MNT/f"
