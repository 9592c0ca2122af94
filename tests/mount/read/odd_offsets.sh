# Reads of odd sizes at odd offsets give the bytes that are there.
# posix
random_bytes 5000001 > source
cp source "$MNT/f"
for size in 1 13 4095 65537 1048577; do
    for offset in 0 1 4093 1048575 2097151 4999990; do
        read_at() { dd if="$1" bs=$size count=1 skip=$offset iflag=skip_bytes,fullblock status=none | sha256sum; }
        is "$(read_at "$MNT/f")" "$(read_at source)"
    done
done
