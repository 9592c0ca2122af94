# A mount that takes over more than its capacity is full: what is used is told, and nothing is free.
# server: killed
needs_linux_that_asks_again
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount -f "$MNT" --simulate=256M --capacity=200M &
for _ in $(seq 200); do mounted "$MNT" && break; sleep 0.05; done
truncate -s 150M "$MNT/f"
kill_server
"$GMEMFS" mount "$MNT" --simulate=256M --capacity=100M
is "$(df -B1 --output=size,used,avail "$MNT" | tail -1 | tr -s ' ' | sed 's/^ //')" "$((150 << 20)) $((150 << 20)) 0"
is "$("$GMEMFS" df --json "$MNT" | json '(d[0]["used"], d[0]["available"])')" "($((150 << 20)), 0)"
expect_error "No space left on device" truncate -s 2M "$MNT/more"
"$GMEMFS" umount "$MNT"
