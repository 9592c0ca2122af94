# A sticky error without a supervisor, or without a keeper: the server answers EIO, and says once what to do.
# mount: none
export GMEMFS_SIM_FAULTS=@$PWD/plan
lose_device() { # everything on it fails, from the second: its first wait fails
    is "$(cat "$MNT/f")" text
    echo "cuStreamSynchronize#1=ILLEGAL_ADDRESS" > new
    mv new plan
    for _ in 1 2 3; do is "$(errno_of "open('$MNT/f').read()")" EIO; done
    is "$(errno_of "open('$MNT/f', 'r+b', 0).write(b'x')")" EIO
    test -e "$MNT/f"
    is "$(grep -c "is lost to this process" "$1")" 1
}
"$GMEMFS" mount "$MNT" -f --simulate=64M --log="$PWD/log" &
for _ in $(seq 200); do grep -q " broker " log 2>/dev/null && break; sleep 0.05; done
echo text > "$MNT/f"
lose_device log
grep -q "the keeper has the files: kill -KILL $(server_pid), and mount anew" log
kill_server
"$GMEMFS" mount "$MNT" --simulate=64M
is "$(cat "$MNT/f")" text
"$GMEMFS" umount "$MNT"

"$GMEMFS" mount "$MNT" --simulate=64M --keeper=off --log="$PWD/log.off"
echo text > "$MNT/f"
lose_device log.off
grep -q "what files held on it is lost with this process: unmount" log.off
"$GMEMFS" umount "$MNT"
