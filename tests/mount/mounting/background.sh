# mount returns when the mount answers, and umount when it is gone.
# mount: none
$GMEMFS mount "$MNT" --simulate=64M
mounted "$MNT"
echo text > "$MNT/f"
is "$(cat "$MNT/f")" text
$GMEMFS umount "$MNT"
fails mounted "$MNT"
nothing ls -A "$MNT"
