# A file that grew by many small writes is one extent after its last close.
head -c 20000000 /dev/urandom > source
dd if=source of="$MNT/f" bs=100000 status=none
cmp source "$MNT/f"
is "$(xattr user.gmemfs.extents "$MNT/f" | json 'len(d)')" 1
is "$(xattr user.fabric_handle "$MNT/f" | wc -c)" 64
