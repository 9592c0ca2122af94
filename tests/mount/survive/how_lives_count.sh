# Servers that are killed while they recover, again and again, are started again; but not for ever, where nobody gets to serve
# between: a request that always kills may find a server that starts slowly. What they had is there for the next mount.
# mount: none
# server: killed
# timeout: 240
needs_linux_that_asks_again
[[ ${SANITIZE:-} != address* ]] || skip "it kills every child, perhaps LeakSanitizer's helper, too, which the supervisor would wait for"
GMEMFS_SIM_FAULTS="cuInit~600ms" "$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
random_bytes 1M > "$MNT/f"
sum=$(sha "$MNT/f")
supervisor=$(ps -o ppid= -p "$(server_pid)" | tr -d ' ')
# kill_servers COUNT: so many, one after the other, each 0.3 s after it was seen, before it serves; how many there were.
kill_servers() {
    python3 - "$supervisor" "$1" << 'PYTHON'
import os, select, signal, sys, time
supervisor, count, killed = sys.argv[1], int(sys.argv[2]), set()
ended = os.pidfd_open(int(supervisor))
while len(killed) < count and not select.select([ended], [], [], 0.001)[0]:
    try:
        children = open(f"/proc/{supervisor}/task/{supervisor}/children").read().split()
    except OSError:
        break
    for child in set(children) - killed:
        time.sleep(0.3 if killed else 0)
        os.kill(int(child), signal.SIGKILL)
        killed.add(child)
print(len(killed))
PYTHON
}
is "$(kill_servers 20)" 20
is "$(sha "$MNT/f")" "$sum"
sleep 0.3 # served for a while: the count begins anew
count=$(kill_servers 100)
[ "$count" -gt 40 ]
[ "$count" -lt 60 ]
grep "no more" log
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(sha "$MNT/f")" "$sum"
"$GMEMFS" umount "$MNT"
