# No memory, no handle: ENODATA, of a file as of a directory.
touch "$MNT/f"
mkdir "$MNT/d"
is "$(errno_of "os.getxattr('$MNT/f', 'user.fabric_handle')")" ENODATA
is "$(errno_of "os.getxattr('$MNT/d', 'user.fabric_handle')")" ENODATA
truncate -s 1 "$MNT/f"
is "$(xattr user.fabric_handle "$MNT/f" | wc -c)" 64
truncate -s 0 "$MNT/f"
is "$(errno_of "os.getxattr('$MNT/f', 'user.fabric_handle')")" ENODATA
