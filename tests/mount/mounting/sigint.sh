# So does SIGINT.
pid=$(server_pid)
kill -INT "$pid"
gone "$pid"
fails mounted "$MNT"
