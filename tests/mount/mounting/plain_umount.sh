# umount(8) does as well as `gmemfs umount`.
needs_root
truncate -s 8M "$MNT/f"
umount "$MNT"
fails mounted "$MNT"
