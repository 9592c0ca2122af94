# With no driver and no --simulate, one line names both ways out.
# mount: none
ldconfig -p | grep -q libcuda.so.1 && skip "this machine has a driver"
refuses "--simulate" "$GMEMFS" mount "$MNT"
refuses "driver" "$GMEMFS" mount "$MNT" -f
fails mounted "$MNT"
