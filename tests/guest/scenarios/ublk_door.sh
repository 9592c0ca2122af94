# kernel: 13
# memory: 384M
# device: 256M
# modules: ublk_drv
# built: ublk-device
# programs: mkfs.ext4 e2fsck blkdiscard dd partx
# timeout: 180
# The ublk door, served by tests/block/ublk_device.cpp: the device is what it was made as, ext4 on it is whole, discarded
# bytes are zeros, and it isn't taken from those who use it.
serve() {
    : > served # not what the one before has said
    ublk-device serve "$@" >> served 2>&1 &
    SERVER=$!
    within 30 grep -q '^live' served || { cat served; fail "no device"; }
}
setting() { cat "/sys/block/ublkb$1/queue/$2"; }

serve --size 48M --queues 2 --depth 16
is "$(ublk-device info 0 | cut -d ' ' -f 1,2,5-)" 'ublkb0 live queues 2 depth 16 io-size 524288 ours'
is "$(blockdev --getsize64 /dev/ublkb0) $(blockdev --getro /dev/ublkb0)" '50331648 0'
is "$(setting 0 logical_block_size) $(setting 0 physical_block_size)" '512 4096'
is "$(setting 0 write_cache), $(setting 0 rotational)" 'write through, 0'
is "$(setting 0 max_sectors_kb) $(setting 0 discard_max_bytes) $(setting 0 write_zeroes_max_bytes)" "512 $((1 << 30)) $((1 << 30))"
setting 0 scheduler | grep -qF '[none]'
is "$(setting 0 nr_requests)" 15

random in 24
mkfs.ext4 -q /dev/ublkb0
mkdir /mnt/disk
mount /dev/ublkb0 /mnt/disk
cp in /mnt/disk/out
sync
kill -TERM "$SERVER"
within 10 grep -q 'in use' served
umount /mnt/disk
e2fsck -fn /dev/ublkb0
mount -o ro /dev/ublkb0 /mnt/disk
cmp in /mnt/disk/out
umount /mnt/disk

dd if=in of=/dev/ublkb0 bs=1M seek=20 oflag=direct
dd if=/dev/ublkb0 of=out bs=1M skip=20 count=24 iflag=direct
cmp in out
dd if=in of=/dev/ublkb0 bs=4k seek=100 count=500 oflag=direct
dd if=/dev/ublkb0 of=out bs=4k skip=100 count=500 iflag=direct
cmp -n $((500 * 4096)) in out
/usr/bin/blkdiscard -f /dev/ublkb0
dd if=/dev/ublkb0 of=out bs=1M iflag=direct
is "$(tr -d '\0' < out | wc -c) $(wc -c < out)" '0 50331648'
dd if=in of=/dev/ublkb0 bs=1M count=4 oflag=direct
/usr/bin/blkdiscard -f -z -o 1048576 -l 1048576 /dev/ublkb0
dd if=/dev/ublkb0 of=out bs=1M count=4 iflag=direct
{ dd if=in bs=1M count=1; dd if=/dev/zero bs=1M count=1; dd if=in bs=1M count=2 skip=2; } > wanted
cmp wanted out
# Partitions only come when they are added.
printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\100\0\0' > entry # Linux, from sector 2048 on, 16384 sectors
{ dd if=/dev/zero bs=446 count=1; cat entry; dd if=/dev/zero bs=16 count=3; printf '\125\252'; } > sector
dd if=sector of=/dev/ublkb0
[ ! -e /dev/ublkb0p1 ] || fail 'the kernel has looked for partitions'
partx -a /dev/ublkb0
is "$(blockdev --getsize64 /dev/ublkb0p1)" 8388608
kill -TERM "$SERVER"
wait "$SERVER"
[ ! -e /dev/ublkb0 ] && [ ! -e /dev/ublkc0 ] || fail 'the device is still there'

# No request comes while the device starts: each would take longer than all of it may.
rm -f out
GMEMFS_SIM_FAULTS='cuStreamSynchronize~40000ms' serve --size 8M --depth 8
kill -TERM "$SERVER"
wait "$SERVER"
unset GMEMFS_SIM_FAULTS

serve --id 7 --size 8M --depth 8 --checksums --read-only --io-size 1M
is "$(blockdev --getro /dev/ublkb7) $(setting 7 logical_block_size) $(setting 7 max_sectors_kb)" '1 4096 1024'
if dd if=in of=/dev/ublkb7 bs=4k count=1 oflag=direct; then fail 'it could be written'; fi
dd if=/dev/ublkb7 of=out bs=1M iflag=direct
is "$(wc -c < out)" 8388608
ublk-device serve --id 7 --size 8M --depth 8 > second 2>&1 && fail 'made twice'
grep -q 'is there already' second
kill -TERM "$SERVER"
wait "$SERVER"
