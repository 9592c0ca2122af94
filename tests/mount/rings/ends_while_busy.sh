# A mount with rings that is in use isn't unmounted; on SIGTERM it goes at once, on a lazy unmount with its last user.
# mount: none
# rings
use() {
    (until [ -e over ]; do dd if=/dev/zero of="$MNT/$1" bs=64k count=64 status=none || true; done) 2> /dev/null &
    (until [ -e over ]; do cat "$MNT/$1" > /dev/null || true; done) 2> /dev/null &
}
"$GMEMFS" mount "$MNT" --simulate="$SIZE" -o io_uring
exec 3> "$MNT/held"
refuses "$MNT is in use by process" "$GMEMFS" umount "$MNT"
for name in a b c d; do : > "$MNT/$name"; done
for name in a b c d; do use "$name"; done
pid=$(server_pid)
kill -TERM "$pid"
gone "$pid"
touch over
wait # nobody hangs
exec 3>&-
fails mounted "$MNT"
"$GMEMFS" mount "$MNT" --simulate="$SIZE" -o io_uring
pid=$(server_pid)
exec 3> "$MNT/held"
"$GMEMFS" umount --lazy "$MNT"
echo text >&3
exec 3>&-
gone "$pid"
