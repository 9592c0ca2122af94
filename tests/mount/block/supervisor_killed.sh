# The supervisor that is killed ends nothing: the worker serves on, and another supervisor takes the device over.
# timeout: 120
# needs: nbdcopy
truncate -s 16M "$MNT/disk"
random_bytes 16M > data
serve "$MNT/disk" --verify --queues 2
nbdcopy data "$NBD"
worker=$(device_says "$MNT/disk" 'd["worker"]["pid"]')
refuses "supervises it" "$GMEMFS" block --adopt "$NBD_SOCKET"
kill_supervisor "$MNT/disk"
nbdcopy "$NBD" back
cmp data back
is "$(device_says "$MNT/disk" 'd["worker"]["pid"], d["supervisor"]')" "($worker, None)"
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["leases"]')" 1 # the worker's own now
expect_error "a peer has it mapped" "$GMEMFS" pack "$MNT/disk"
refuses "its supervisor has died" "$GMEMFS" block --detach "$NBD_SOCKET"
# What was changed behind the device is known to the next worker, too.
random_bytes 64 | dd of="$MNT/disk" bs=64 seek=78125 conv=notrunc status=none
"$GMEMFS" block --adopt "$NBD_SOCKET"
differs "$(device_says "$MNT/disk" 'd["worker"]["pid"]')" "$worker"
is "$(device_says "$MNT/disk" 'd["queues"], d["verify"], d["locked"]')" "(2, True, False)"
gone "$worker"
expect_error "Input/output error" nbdcopy "$NBD" back
nbdcopy data "$NBD"
nbdcopy "$NBD" back
cmp data back
has_spare "$MNT/disk"
kill -KILL "$(device_says "$MNT/disk" 'd["worker"]["pid"]')"
nbdcopy "$NBD" back
cmp data back
# Once more, by the file's name, and then to the end.
kill_supervisor "$MNT/disk"
"$GMEMFS" block --adopt "$MNT/disk"
nbdcopy "$NBD" back
cmp data back
"$GMEMFS" block --detach "$NBD_SOCKET"
fails test -e "$NBD_SOCKET"
