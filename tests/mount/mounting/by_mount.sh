# `mount -t fuse.gmemfs` works, as a line in fstab would have it.
# mount: none
needs_root
export PATH="$(dirname "$GMEMFS"):$PATH"
mount -t fuse.gmemfs none "$MNT" -o simulate=64M,nosuid
truncate -s 4M "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" 4194304
grep -q "^gmemfs $MNT fuse.gmemfs .*nosuid" /proc/self/mounts
pid=$(server_pid)
umount "$MNT"
gone "$pid"
