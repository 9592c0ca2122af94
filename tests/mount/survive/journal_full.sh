# Where the journal can't be written a change isn't acknowledged: ENOSPC, as of any other filesystem that is full; what is there
# is read and written; and when there is room again changes are acknowledged, and nothing that was is lost.
# mount: none
needs_root
export GMEMFS_RUNTIME_DIR=$PWD/small
mkdir small
mount -t tmpfs -o size=64k,mode=700 none small
trap 'umount -l small' EXIT
"$GMEMFS" mount "$MNT" --simulate=64M
random_bytes 1M > source
cp source "$MNT/before"
head -c 1M /dev/zero > small/filler || true
refused=no
for index in $(seq 100); do
    [ "$(errno_of "open('$MNT/f$index', 'x')")" = ENOSPC ] && refused=yes && break
done
is "$refused" yes
is "$(errno_of "os.mkdir('$MNT/d')")" ENOSPC
ls "$MNT" > /dev/null
cmp source "$MNT/before"
rm small/filler
touch "$MNT/g"
kill_server
"$GMEMFS" mount "$MNT" --simulate=64M
test -e "$MNT/g"
cmp source "$MNT/before"
"$GMEMFS" umount "$MNT"
