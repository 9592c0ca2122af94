# What a mount held is gone with it: the next begins empty.
# mount: none
$GMEMFS mount "$MNT" --simulate=64M
random_bytes 40M > "$MNT/f"
$GMEMFS umount "$MNT"
$GMEMFS mount "$MNT" --simulate=64M
nothing ls -A "$MNT"
truncate -s 40M "$MNT/f"
is "$(sha "$MNT/f")" "$(zeros 40M)"
$GMEMFS umount "$MNT"
