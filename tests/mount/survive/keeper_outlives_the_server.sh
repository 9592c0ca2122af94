# The keeper is a process of its own: it lives on when the server is killed, and `gmemfs umount` ends it.
# server: killed
truncate -s 4M "$MNT/f"
keeper=$(keeper_pid)
kill_server
kill -0 "$keeper"
$GMEMFS umount "$MNT"
gone "$keeper"
is "$(ls -A "$GMEMFS_RUNTIME_DIR")" ""
