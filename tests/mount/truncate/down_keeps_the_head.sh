# Shrinking keeps what is before the new end.
# posix
random_bytes 5000000 > source
cp source "$MNT/f"
truncate -s 2097153 "$MNT/f" source
cmp source "$MNT/f"
truncate -s 7 "$MNT/f" source
cmp source "$MNT/f"
