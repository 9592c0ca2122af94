# Shrinking gives back whole granules; to nothing, all.
truncate -s 20M "$MNT/f"
truncate -s 3M "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" $((4 << 20))
truncate -s 0 "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" 0
is "$(df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' ')" 0
