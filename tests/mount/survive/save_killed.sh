# SIGKILL to the server while it saves: another one has the files, saves them, and ends as the first one was asked to.
# mount: none
# timeout: 120
needs_linux_that_asks_again
mkdir kept
file=$PWD/kept/snapshot
start() { "$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file" --log="$PWD/log"; }
# The snapshot has no name yet.
saving() {
    timeout 30 python3 -c 'import glob, os, sys
while True:
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith(sys.argv[1] + "/kept/#"): sys.exit()
        except OSError: pass' "$(realpath .)"
}
start
random_bytes 200M > "$MNT/f"
sum=$(sha "$MNT/f")
pid=$(server_pid)
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
kill -TERM "$supervisor"
saving
kill -KILL "$pid"
gone "$supervisor"
is "$(grep -c "ended by signal 9: starting another one" log)" 1
fails mounted "$MNT"
is "$(ls kept)" snapshot
nothing ls -A "$GMEMFS_RUNTIME_DIR"
start
is "$(sha "$MNT/f")" "$sum"
# Without a supervisor: what is mounted again has it all, and nothing half is under the final name.
echo more > "$MNT/g"
before=$(sha "$file")
pid=$(server_pid)
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
kill -TERM "$pid"
saving
kill -KILL "$supervisor" "$pid"
gone "$pid"
is "$(sha "$file")" "$before"
start
is "$(cat "$MNT/g")" more
is "$(sha "$MNT/f")" "$sum"
"$GMEMFS" umount --discard "$MNT"
nothing ls -A "$GMEMFS_RUNTIME_DIR"
fails grep -q "$GMEMFS_RUNTIME_DIR" /proc/self/mountinfo
