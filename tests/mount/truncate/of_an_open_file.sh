# A reader that has the file open sees it shrink and grow.
# posix
random_bytes 4M > "$MNT/f"
exec 3< "$MNT/f"
truncate -s 10 "$MNT/f"
is "$(cat <&3 | wc -c)" 10
truncate -s 20 "$MNT/f"
is "$(cat <&3 | wc -c)" 10
exec 3<&-
