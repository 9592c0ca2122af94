# A server with rings that dies takes the mount along, not the files: the next mount has them. It can't be restarted.
# mount: none
# rings
"$GMEMFS" mount "$MNT" --simulate="$SIZE" -o io_uring
is "$("$GMEMFS" stat --json "$MNT" | json 'd["supervised"], d["transport"]')" "(False, 'io_uring')"
refuses "can't be handed to another server" "$GMEMFS" restart "$MNT"
random_bytes 8M > source
cp source "$MNT/f"
(while true; do dd if=source of="$MNT/g" bs=4k conv=notrunc status=none || exit 0; done) 2> /dev/null &
writing=$!
kill_server
wait "$writing"
expect_error "Transport endpoint is not connected" ls "$MNT"
"$GMEMFS" mount "$MNT" --simulate="$SIZE" -o io_uring
cmp source "$MNT/f"
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE" # or without
cmp source "$MNT/f"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["transport"], d["ring_requests"]')" "('read', 0)"
"$GMEMFS" umount "$MNT"
