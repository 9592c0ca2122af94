# After the server's death the mount point is dead: what is said names `gmemfs mount`, and only --discard gives the files up.
# server: killed
kill_server
expect_error "Transport endpoint is not connected" ls "$MNT"
refuses "gmemfs umount" "$GMEMFS" mount "$MNT" --simulate=64M --keeper=off
refuses "gmemfs mount" "$GMEMFS" umount "$MNT" # which would give its files up
refuses "gmemfs mount" "$GMEMFS" umount --lazy "$MNT"
expect_error "gmemfs mount" "$GMEMFS" df "$MNT"
$GMEMFS umount --discard "$MNT"
nothing ls -A "$MNT"
$GMEMFS mount "$MNT" --simulate=64M
touch "$MNT/f"
$GMEMFS umount "$MNT"
