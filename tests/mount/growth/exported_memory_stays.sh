# What was handed out isn't moved: after growth the first handle is the same, and the bytes are too.
random_bytes 4M > source
cp source "$MNT/f"
xattr user.fabric_handle "$MNT/f" > before
random_bytes 5M >> "$MNT/f"
xattr user.fabric_handle "$MNT/f" | head -c 64 | cmp - before
head -c 4M "$MNT/f" | cmp - source
[ "$(xattr user.gmemfs.extents "$MNT/f" | json 'len(d)')" -ge 2 ]
