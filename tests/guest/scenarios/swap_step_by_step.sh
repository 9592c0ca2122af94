# kernel: 12 13
# memory: 320M
# device: 320M
# modules: nbd
# timeout: 100
# What scripts for swap in a GPU's memory do one by one: a device of the right size, a write and a read before it is swap,
# mkswap, swapon with a priority, the list, and all of it taken back. A second start finds the first.
mount_gpu
sysctl -w vm.min_free_kbytes=16384
DEVICE=$(gmemfs block "$MNT/swap" --size 160M --nbd=/dev/nbd0)
is "$(cat "/sys/block/${DEVICE#/dev/}/size")" $((160 << 11))
random bytes 1
dd if=bytes of="$DEVICE" bs=64K count=4 conv=fsync 2> /dev/null
echo 3 > /proc/sys/vm/drop_caches
is "$(dd if="$DEVICE" bs=64K count=4 2> /dev/null | sha256sum)" "$(dd if=bytes bs=64K count=4 2> /dev/null | sha256sum)"
! gmemfs swap on "$MNT/swap" --nbd=/dev/nbd1 2> refused || fail "swap over a file that is a device"
say "$(cat refused)"
gmemfs block --detach "$DEVICE"

is "$(gmemfs swap on "$MNT/swap" --nbd=/dev/nbd0 --priority 100)" "$DEVICE"
is "$(gmemfs swap on "$MNT/other" --size 64M --nbd=/dev/nbd1 --priority 7)" /dev/nbd1
priority() { awk -v device="$1" '$1 == device { print $5 }' /proc/swaps; }
is "$(priority "$DEVICE")" 100
is "$(priority /dev/nbd1)" 7
is "$(awk '$1 ~ /nbd0/ { print $3 }' /proc/swaps)" $((160 * 1024 - 4))
! gmemfs swap on "$MNT/swap" --nbd=/dev/nbd0 2> refused || fail "swap twice over a file"
say "$(cat refused)"
gmemfs swap status > told
grep -q "^$DEVICE" told || fail "status: $(cat told)"
gmemfs swap status --json | tr -d ' \n' | grep -q "\"device\":\"$DEVICE\"" || fail "status: $(gmemfs swap status --json)"

gmemfs swap off
is "$(wc -l < /proc/swaps)" 1
is "$(cat "/sys/block/${DEVICE#/dev/}/size")" 0
rm "$MNT/swap" "$MNT/other"
is "$(df -k "$MNT" | awk 'END { print $3 }')" 0
gmemfs umount "$MNT"
