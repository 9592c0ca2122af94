# du counts device memory: what user.allocation_size says.
truncate -s 3000000 "$MNT/f"
touch "$MNT/empty"
is "$(du -B1 "$MNT/f" | cut -f 1)" 4194304
is "$(du -B1 "$MNT/f" | cut -f 1)" "$(xattr user.allocation_size "$MNT/f")"
is "$(du -B1 "$MNT/empty" | cut -f 1)" 0
is "$(du --apparent-size -B1 "$MNT/f" | cut -f 1)" 3000000
