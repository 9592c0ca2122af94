# user.fabric_handle is 64 bytes for a file allocated by one truncate, and the same each time.
truncate -s 8M "$MNT/f"
truncate -s 8M "$MNT/g"
xattr user.fabric_handle "$MNT/f" > first
is "$(size_of first)" 64
xattr user.fabric_handle "$MNT/f" | cmp - first
fails cmp -s first <(xattr user.fabric_handle "$MNT/g")
