# A server that dies at once again and again isn't started for ever; what it had is still there for the next mount.
# mount: none
# server: killed
[[ ${SANITIZE:-} != address* ]] || skip "it kills every child, perhaps LeakSanitizer's helper, too, which the supervisor would wait for"
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
random_bytes 1M > "$MNT/f"
sum=$(sha "$MNT/f")
supervisor=$(ps -o ppid= -p "$(server_pid)" | tr -d ' ')
python3 - "$supervisor" << 'PYTHON'
import os, signal, sys, time
supervisor, killed = sys.argv[1], set()
while os.path.exists(f"/proc/{supervisor}/comm"): # each of its servers as soon as it is seen
    try:
        children = open(f"/proc/{supervisor}/task/{supervisor}/children").read().split()
    except OSError:
        break
    for child in set(children) - killed:
        killed.add(child)
        os.kill(int(child), signal.SIGKILL)
    time.sleep(0.001)
assert 5 <= len(killed) <= 7, killed
PYTHON
grep -q "no more" log
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(sha "$MNT/f")" "$sum"
"$GMEMFS" umount "$MNT"
