# The keeper is a process of its own: it lives on when the server is killed, and `gmemfs umount --discard` ends it.
# server: killed
truncate -s 4M "$MNT/f"
keeper=$(keeper_pid)
kill_server
kill -0 "$keeper"
refuses "the keeper has its files" "$GMEMFS" umount "$MNT"
$GMEMFS umount --discard "$MNT"
gone "$keeper"
nothing ls -A "$GMEMFS_RUNTIME_DIR"
