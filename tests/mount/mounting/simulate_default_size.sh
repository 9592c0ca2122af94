# --simulate needs no size.
# mount: none
$GMEMFS mount "$MNT" --simulate
truncate -s 1M "$MNT/f"
$GMEMFS umount "$MNT"
