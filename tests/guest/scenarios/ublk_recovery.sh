# kernel: 13
# memory: 384M
# device: 256M
# modules: ublk_drv
# built: ublk-device
# programs: mkfs.ext4 e2fsck dd
# timeout: 300
# alarms: I/O error, dev ublkb0
# rounds: 5
# A worker killed while dd writes: the spare takes the device over within seconds, nobody sees an error, and each byte is
# right. Also with all that the queue holds in the worker's hands when it dies.
serve() {
    : > served # not what the one before has said
    ublk-device serve "$@" >> served 2>&1 &
    SERVER=$!
    within 30 grep -q '^live' served || { cat served; fail "no device"; }
}
worker() { ublk-device info 0 | cut -d ' ' -f 4; }
recovered() { grep -c '^recovered' served; }
is_recovered() { [ "$(recovered)" -gt "$1" ]; }
# kill_worker: while the others work.
kill_worker() {
    local before
    before=$(recovered || true)
    kill -KILL "$(worker)"
    within 10 is_recovered "$before"
}
is_quiesced() { [ "$(ublk-device info 0 | cut -d ' ' -f 2)" = quiesced ]; }
written() { read -r _ _ _ _ _ _ sectors _ < /sys/block/ublkb0/stat && echo "$sectors"; }
has_written() { [ "$(written)" -ge "$1" ]; }

random in 64
serve --size 96M --queues 2 --depth 16 --checksums
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    target=$(($(written) + 32768))
    dd if=in of=/dev/ublkb0 bs=256k oflag=direct 2> /dev/null &
    writer=$!
    within 20 has_written "$target"
    kill_worker
    wait "$writer" || fail 'dd saw an error'
    dd if=/dev/ublkb0 of=out bs=1M count=64 iflag=direct
    cmp in out
done
mkfs.ext4 -q /dev/ublkb0
mkdir /mnt/disk
mount /dev/ublkb0 /mnt/disk
cp in /mnt/disk/out &
writer=$!
kill_worker
wait "$writer" || fail 'cp saw an error'
kill_worker
sync &
writer=$!
kill_worker
wait "$writer" || fail 'sync saw an error'
umount /mnt/disk
e2fsck -fn /dev/ublkb0
mount -o ro /dev/ublkb0 /mnt/disk
cmp in /mnt/disk/out
umount /mnt/disk
kill -TERM "$SERVER"
wait "$SERVER"
cat served

# A device error that stays in the context ends the worker; the spare gets what it left.
GMEMFS_SIM_FAULTS=@/tmp/plan serve --size 96M --depth 16
echo 'cuMemcpyHtoDAsync#20=ECC_UNCORRECTABLE' > plan.new
mv plan.new plan
dd if=in of=/dev/ublkb0 bs=1M oflag=direct
dd if=/dev/ublkb0 of=out bs=1M count=64 iflag=direct
cmp in out
is "$(recovered)" 1
grep 'device has failed' served
kill -TERM "$SERVER"
wait "$SERVER"

# A spare that dies before it has taken the device: the next one takes it. Here the first one sleeps.
serve --size 96M --queues 2 --depth 16
spare() { sed -n 's/^warm //p' served | tail -n 1; }
sleeper=$(spare)
kill -STOP "$sleeper"
kill -KILL "$(worker)"
within 10 is_quiesced
dd if=in of=/dev/ublkb0 bs=1M oflag=direct 2> /dev/null &
writer=$!
kill -KILL "$sleeper"
within 10 is_recovered 0
wait "$writer" || fail 'dd saw an error'
dd if=/dev/ublkb0 of=out bs=1M count=64 iflag=direct
cmp in out

# Without its supervisor the worker goes on; without both, requests wait until the device is removed, and then fail.
kill -KILL "$SERVER"
wait "$SERVER" || true
dd if=/dev/ublkb0 of=out bs=1M count=64 iflag=direct
cmp in out
kill -KILL "$(worker)"
within 10 is_quiesced
dd if=/dev/ublkb0 of=out bs=1M count=1 iflag=direct 2> told &
reader=$!
ublk-device remove 0
if wait "$reader"; then fail 'read from no device'; fi
grep 'Input/output error' told
[ ! -e /dev/ublkc0 ] || fail 'the device is still there'

# One that dies before it has attached: the start is given up, and nothing is left.
if ublk-device serve --size 8M --depth 8 --worker-dies > served 2>&1; then fail 'started without a worker'; fi
grep 'start the device: ublkb0: given up' served
[ ! -e /dev/ublkc0 ] || fail 'the device is still there'

# All that the queue holds is with the worker when it dies: the kernel notices that as soon.
GMEMFS_SIM_FAULTS=@/tmp/plan serve --size 96M --depth 8 --io-size 64K
echo 'cuStreamSynchronize~6000ms' > plan.new
mv plan.new plan
dd if=in of=/dev/ublkb0 bs=64K count=1 oflag=direct
in_flight() { read -r _ writes < /sys/block/ublkb0/inflight && [ "$writes" -ge 7 ]; }
dd if=in of=/dev/ublkb0 bs=512K count=1 oflag=direct &
writer=$!
within 5 in_flight
kill_worker
wait "$writer" || fail 'dd saw an error'
dd if=/dev/ublkb0 of=out bs=512K count=1 iflag=direct
cmp -n 524288 in out
kill -TERM "$SERVER"
wait "$SERVER"
cat served
