# With --handles=fd there is no fabric handle, and the log says why.
# options: --handles=fd
truncate -s 8M "$MNT/f"
fails grep -q user.fabric_handle "$LOG"
is "$(errno_of "os.getxattr('$MNT/f', 'user.fabric_handle')")" ENOTSUP
is "$(xattr user.allocation_size "$MNT/f")" 8388608
grep -q "user.fabric_handle: .*the extent was created without one.*--handles=fd" "$LOG"
