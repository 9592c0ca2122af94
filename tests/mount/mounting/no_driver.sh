# With no driver and no --simulate, one line names both ways out.
# mount: none
if has_driver; then skip "this machine has a driver"; fi
refuses "--simulate" "$GMEMFS" mount "$MNT"
refuses "--simulate" "$GMEMFS" mount "$MNT" -f
fails mounted "$MNT"
