# kernel: 13
# memory: 448M
# device: 384M
# modules: ublk_drv
# programs: mkfs.ext4 e2fsck fstrim blkdiscard
# timeout: 120
# ext4 on a thin disk takes memory as files are written, and gives it back by fstrim and by -o discard; a worker that is killed
# meanwhile loses nothing.
block ublk 2G --thin
parts() { ls "$MNT/disk" | awk '/^[0-9]/ { count++ } END { print count + 0 }'; }
fewer_than() { [ "$(parts)" -lt "$1" ]; }
mkfs.ext4 -q -O sparse_super2 -E num_backup_sb=0,packed_meta_blocks=1 -J size=16 "$DEVICE" # each backup would be a part
mkdir -p /mnt/disk
mount "$DEVICE" /mnt/disk
begun=$(parts)
say "$begun parts after mkfs"
[ "$begun" -ge 1 ] && [ "$begun" -le 4 ] || fail "$begun parts"
random in 22
for round in 1 2; do
    for copy in 1 2 3; do cp in "/mnt/disk/$round$copy"; done
    sync
    grown=$(parts)
    say "$grown parts with 66 MiB of files"
    [ "$grown" -gt "$begun" ] || fail "it took no memory"
    for copy in 1 2 3; do cmp in "/mnt/disk/$round$copy"; done
    rm "/mnt/disk/$round"?
    sync
    if [ "$round" = 1 ]; then
        /usr/bin/fstrim /mnt/disk
    else
        mount -o remount,discard /mnt/disk && cp in /mnt/disk/more && sync && rm /mnt/disk/more && sync && /usr/bin/fstrim /mnt/disk
    fi
    within 10 fewer_than "$grown"
    say "$(parts) parts after they were removed"
done
# The worker is killed while parts are taken.
within 60 has_spare
(cp in /mnt/disk/first && sync && cp in /mnt/disk/second && sync && cp in /mnt/disk/third && sync) &
writer=$!
usleep 300000
kill -KILL "$(worker_pid)"
wait "$writer" || fail "the writer saw an error"
for name in first second third; do cmp in "/mnt/disk/$name"; done
umount /mnt/disk
e2fsck -fn "$DEVICE" || fail "e2fsck found damage"
/usr/bin/blkdiscard -f "$DEVICE" || fail "it can't be discarded"
within 10 fewer_than 1
detach
