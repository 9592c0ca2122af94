# Where the journal can't be written a change isn't acknowledged, and the next one is when there is room again.
# mount: none
needs_root
export GMEMFS_RUNTIME_DIR=$PWD/small
mkdir small
mount -t tmpfs -o size=64k,mode=700 none small
trap 'umount -l small' EXIT
"$GMEMFS" mount "$MNT" --simulate=64M
head -c 1M /dev/zero > small/filler || true
refused=no
for index in $(seq 100); do
    [ "$(errno_of "open('$MNT/f$index', 'x')")" = EIO ] && refused=yes && break
done
is "$refused" yes
rm small/filler
touch "$MNT/g"
kill_server
"$GMEMFS" mount "$MNT" --simulate=64M
test -e "$MNT/g"
"$GMEMFS" umount "$MNT"
