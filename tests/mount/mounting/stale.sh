# After the server's death the mount point is dead: a mount without the keeper names the cure, and `gmemfs umount` is it.
# server: killed
kill_server
expect_error "Transport endpoint is not connected" ls "$MNT"
refuses "gmemfs umount" "$GMEMFS" mount "$MNT" --simulate=64M --keeper=off
$GMEMFS umount "$MNT"
is "$(ls -A "$MNT")" ""
$GMEMFS mount "$MNT" --simulate=64M
touch "$MNT/f"
$GMEMFS umount "$MNT"
