# A file as an NBD disk: what is copied in is in the file, and back; the socket goes with the device.
# needs: nbdinfo nbdcopy
truncate -s 64M "$MNT/disk"
serve "$MNT/disk"
info=$(nbdinfo "$NBD")
for line in "export-size: 67108864" "can_flush: true" "can_fua: true" "can_trim: true" "can_zero: true" "can_fast_zero: true" \
    "can_multi_conn: true" "can_cache: true" "is_read_only: false" "block_size_minimum: 1" "block_size_maximum: 33554432"; do
    grep -q "$line" <<< "$info"
done
says "export-size: 67108864" nbdinfo --list "$NBD"
random_bytes 60000001 > data
nbdcopy data "$NBD"
cmp data <(head -c 60000001 "$MNT/disk")
nbdcopy "$NBD" back
cmp back "$MNT/disk"
# What is written through the mount is read through the socket.
random_bytes 1M | dd of="$MNT/disk" bs=1M seek=3 conv=notrunc status=none
nbdcopy "$NBD" back
cmp back "$MNT/disk"
"$GMEMFS" block --detach "$NBD_SOCKET"
fails test -e "$NBD_SOCKET"
expect_error "No such file" nbdinfo "$NBD"
