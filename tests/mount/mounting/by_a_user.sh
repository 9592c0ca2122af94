# A user without privileges mounts, uses and unmounts.
# user: nobody
random_bytes 3M > source
cp source "$MNT/f"
cmp source "$MNT/f"
is "$(stat -c %u "$MNT/f")" 65534
