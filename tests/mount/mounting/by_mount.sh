# mount.fuse3, which `mount -t fuse.gmemfs` and fstab call, calls us with the source first.
# mount: none
needs_root
fuse=$(PATH=$PATH:/sbin:/usr/sbin command -v mount.fuse3) || skip "no mount.fuse3 here"
"$fuse" "$GMEMFS#none" "$MNT" -o simulate=64M,nosuid
truncate -s 4M "$MNT/f"
is "$(xattr user.allocation_size "$MNT/f")" 4194304
grep -q "$MNT fuse.gmemfs .*nosuid" /proc/self/mounts
pid=$(server_pid)
umount "$MNT"
gone "$pid"
