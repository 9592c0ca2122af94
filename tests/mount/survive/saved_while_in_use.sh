# SIGTERM while a program writes: it is told that the mount is gone, and every write that had succeeded before is saved.
# mount: none
mkdir kept
file=$PWD/kept/snapshot
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file" --log="$PWD/log"
pid=$(server_pid)
python3 - "$MNT/lines" > written << 'PYTHON' &
import sys
count = 0
try:
    with open(sys.argv[1], "wb", buffering=0) as file:
        while count < 2_000_000:
            file.write(b"%09d\n" % count)
            count += 1
except OSError:
    pass
print(count)
PYTHON
writer=$!
for _ in $(seq 400); do [ "$(size_of "$MNT/lines" 2> /dev/null || echo 0)" -gt 20000 ] && break; sleep 0.01; done
kill -TERM "$pid"
gone "$pid"
wait "$writer"
[ "$(cat written)" -lt 2000000 ] # it was under way
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file"
python3 - "$MNT/lines" "$(cat written)" << 'PYTHON'
import sys
lines, written = open(sys.argv[1]).read().splitlines(), int(sys.argv[2])
assert written <= len(lines) <= written + 1, (written, len(lines)) # one may have been carried out and not answered
assert lines == ["%09d" % number for number in range(len(lines))]
PYTHON
"$GMEMFS" umount --discard "$MNT"
