# What the command makes, lists and refuses.
# Other tests' devices may be there.
fails grep -q "$MNT" <<< "$("$GMEMFS" block --list)"
is "$("$GMEMFS" block --list --json | json "[device for device in d if device['file'].startswith('$MNT')]")" "[]"
serve "$MNT/disk" --size 8M --queues 3
is "$(size_of "$MNT/disk")" 8388608
is "$(mode_of "$MNT/disk")" 600
is "$(device_says "$MNT/disk" 'd["device"] + " " + d["door"], d["size"], d["queues"], d["read_only"], d["verify"]')" \
    "('$NBD_SOCKET socket', 8388608, 3, False, False)"
says "^$NBD_SOCKET: $MNT/disk, 8 MiB, unused, worker [0-9]*, 0 take-overs$" "$GMEMFS" block --list
refuses "$MNT/disk: it is a block device already" "$GMEMFS" block "$MNT/disk" --socket other
fails test -e other
# The mount is in use; the file's memory stays where it is.
expect_error "busy" umount "$MNT"
"$GMEMFS" block --detach "$MNT/disk"
refuses "it is no block device of gmemfs" "$GMEMFS" block --detach "$MNT/disk"
refuses "it is no block device of gmemfs" "$GMEMFS" block --detach nowhere/disk
# --size: new, empty, or the same.
serve "$MNT/disk" --size 8M
"$GMEMFS" block --detach "$NBD_SOCKET"
refuses "it is there, with 8 MiB" "$GMEMFS" block "$MNT/disk" --size 16M --socket s
refuses "on no gmemfs mount" "$GMEMFS" block "$PWD/elsewhere" --size 16M --socket s
fails test -e elsewhere
refuses "No space left" "$GMEMFS" block "$MNT/huge" --size 10G --socket s
touch "$MNT/empty" plain
printf x > "$MNT/byte"
refuses "$MNT/byte: it has no whole block" "$GMEMFS" block "$MNT/byte" --socket s --verify
refuses "it has no device memory yet" "$GMEMFS" block "$MNT/empty" --socket s
refuses "plain: it is on no gmemfs mount" "$GMEMFS" block plain --socket s
refuses "No such file" "$GMEMFS" block "$MNT/none" --socket s
refuses "exclude each other" "$GMEMFS" block "$MNT/disk" --socket s --nbd 0
refuses "N, or N" "$GMEMFS" block "$MNT/disk" --nbd /dev/sda
refuses "1 to 64" "$GMEMFS" block "$MNT/disk" --socket s --queues 65
is "$(status_of "$GMEMFS" block)" 2
is "$(status_of "$GMEMFS" block "$MNT/disk" --list)" 2
# A socket that a dead supervisor left is taken; one that is in use, or another file, isn't.
mkdir folder
refuses "Address already in use" "$GMEMFS" block "$MNT/disk" --socket plain
[ -f plain ]
serve "$MNT/disk"
expect_error "already" "$GMEMFS" block "$MNT/disk" --socket "$NBD_SOCKET"
"$GMEMFS" block --detach "$MNT/disk"
