# --keeper=off: the server owns its memory, and no other process is there.
# mount: none
$GMEMFS mount "$MNT" --simulate=64M --keeper=off
truncate -s 4M "$MNT/f"
nothing keeper_pid
is "$("$GMEMFS" stat --json "$MNT" | json 'd["keeper"]')" off
$GMEMFS umount "$MNT"
