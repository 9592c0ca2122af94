# A server that follows another one gives no generation that a file had, though that file be gone: after a restart, a crash, and
# a journal that was written anew.
# mount: none
# server: killed
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
generation() { xattr user.gmemfs.generation "$MNT/$1"; }
make_and_remove() {
    for _ in 1 2 3; do echo text > "$MNT/gone"; done
    last=$(generation gone)
    rm "$MNT/gone"
}
is_new() {
    echo text > "$MNT/next"
    [ "$(generation next)" -gt "$last" ] || { echo "$(generation next) again, after $1, where $last was given"; return 1; }
}
echo text > "$MNT/stays"
make_and_remove
"$GMEMFS" restart "$MNT"
is_new restart
make_and_remove
crash_server
is_new crash
make_and_remove
"$GMEMFS" restart "$MNT"
"$GMEMFS" restart "$MNT"
crash_server
is_new "three more"
is "$(cat "$MNT/stays")" text
"$GMEMFS" umount "$MNT"
