# The filesystem's server is killed while a thin disk takes parts: first writes wait for its successor, nothing else does,
# and nothing is lost.
# mount: none
# timeout: 120
# size: 640M
# needs: nbdsh
needs_linux_that_asks_again
"$GMEMFS" mount "--simulate=$SIZE" "$MNT"
serve "$MNT/disk" --thin --size 64G
for round in 1 2 3 4 5 6; do
    /usr/bin/python3 - "$NBD" "$(server_pid)" "$round" <<'P'
import nbd, os, signal, sys, threading

uri, server, round = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h

def data(part):
    return (f"{round} {part} ".encode() * 4096)[:4096]

failures, written = [], []

def write(lane):
    try:
        h = connect()
        for part in range(lane, 8, 2):
            h.pwrite(data(part), part << 30)
            written.append(part)
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=write, args=(lane,)) for lane in (0, 1)]
for thread in threads:
    thread.start()
while len(written) < round:
    pass
os.kill(server, signal.SIGKILL)
h = connect()
for part in list(written):
    assert h.pread(4096, part << 30) == data(part), part
    h.pwrite(data(part), (part << 30) + 8192)
for thread in threads:
    thread.join()
assert not failures, failures
for part in range(8):
    assert h.pread(8192, part << 30) == data(part) + bytes(4096), part
for part in range(8):
    h.trim(64 << 20, part << 30)
P
    has_parts "$MNT/disk" 0
done
# No server at all: a first write fails in the end, told once; what is there goes on, and all is well afterwards.
nbd_shell 'h.pwrite(b"here" * 1024, 0)'
kill_server
/usr/bin/python3 - "$NBD" <<'P'
import nbd, sys, time

h = nbd.NBD()
h.connect_uri(sys.argv[1])
for attempt in range(3):
    begun = time.monotonic()
    try:
        h.pwrite(b"x" * 4096, 5 << 30)
    except nbd.Error as error:
        assert error.errno == "EIO", error
    else:
        raise AssertionError("it was written to nothing")
    assert time.monotonic() - begun < (35 if attempt == 0 else 5), attempt
    assert h.pread(4096, 0) == b"here" * 1024 and h.pread(4096, 5 << 30) == bytes(4096)
P
device_says "$MNT/disk" 'd["last_error"]' > said
grep -q "its mount has gone\|not connected\|not be connected" said
"$GMEMFS" mount "--simulate=$SIZE" "$MNT"
timeout 20 env "PATH=/usr/bin:$PATH" bash -c 'until nbdsh -u "$1" -c "h.pwrite(b\"there\" * 1000, 5 << 30)" 2> /dev/null; do :; done' - "$NBD"
nbd_shell 'assert h.pread(5000, 5 << 30) == b"there" * 1000 and h.pread(4096, 0) == b"here" * 1024'
has_parts "$MNT/disk" 2
"$GMEMFS" block --detach "$MNT/disk"
is "$(head -c 4 "$MNT/disk/000000")" here
"$GMEMFS" umount "$MNT"
