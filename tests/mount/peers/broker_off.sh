# --broker=off: no socket, no ticket; fabric handles as ever.
# options: --broker=off
truncate -s 4M "$MNT/f"
is "$(errno_of "os.getxattr('$MNT', 'user.gmemfs.socket')")" ENODATA
is "$(errno_of "os.getxattr('$MNT/f', 'user.gmemfs.ticket')")" ENODATA
is "$(xattr user.fabric_handle "$MNT/f" | wc -c)" 64
