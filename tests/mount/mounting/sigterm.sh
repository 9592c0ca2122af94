# SIGTERM unmounts cleanly; the runner sees the server end with 0.
echo text > "$MNT/f"
pid=$(server_pid)
kill -TERM "$pid"
gone "$pid"
fails mounted "$MNT"
