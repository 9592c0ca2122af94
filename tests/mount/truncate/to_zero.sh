# A file of size 0 is as good as new.
# posix
random_bytes 3M > "$MNT/f"
truncate -s 0 "$MNT/f"
is "$(size_of "$MNT/f")" 0
echo again > "$MNT/f"
is "$(cat "$MNT/f")" again
