# A handle of a small file: it gets an extent of its own, which user.allocation_size has told before.
echo "some bytes" > "$MNT/f"
echo "other bytes" > "$MNT/g"
is "$(du -B1 "$MNT/f" | cut -f 1)" 4096
is "$(xattr user.allocation_size "$MNT/f")" 2097152
is "$(xattr user.gmemfs.extents "$MNT/f" | json 'd[0]["shared"]')" True
is "$(xattr user.fabric_handle "$MNT/f" | wc -c)" 64
is "$(xattr user.allocation_size "$MNT/f")" 2097152
is "$(du -B1 "$MNT/f" | cut -f 1)" 2097152
is "$(xattr user.gmemfs.extents "$MNT/f" | json 'd[0]["shared"]')" False
is "$(cat "$MNT/f")" "some bytes"
is "$(cat "$MNT/g")" "other bytes"
