# The filesystem's server hangs: first writes fail within their time, later ones at once; what is there doesn't notice; and
# when the server goes on, so do they.
# timeout: 120
# needs: nbdsh
serve "$MNT/disk" --thin --size 16G
nbd_shell 'h.pwrite(b"here" * 1024, 0)'
server=$(server_pid)
kill -STOP "$server"
/usr/bin/python3 - "$NBD" <<'P'
import nbd, sys, threading, time

def connect():
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    return h

def seconds_to_fail(h, part):
    begun = time.monotonic()
    try:
        h.pwrite(b"x" * 4096, part << 30)
    except nbd.Error as error:
        assert error.errno == "EIO", error
        return time.monotonic() - begun
    raise AssertionError("it was written to nothing")

took = []
thread = threading.Thread(target=lambda: took.append(seconds_to_fail(connect(), 1)))
thread.start()
h = connect()
while not took:  # other connections go on
    h.pwrite(b"more" * 1024, 4096)
    assert h.pread(8192, 0) == b"here" * 1024 + b"more" * 1024 and h.pread(4096, 1 << 30) == bytes(4096)
thread.join()
assert 25 < took[0] < 60, took
assert seconds_to_fail(h, 2) < 5
P
kill -CONT "$server"
timeout 20 env "PATH=/usr/bin:$PATH" bash -c 'until nbdsh -u "$1" -c "h.pwrite(b\"there\" * 1000, 1 << 30)" 2> /dev/null; do :; done' - "$NBD"
nbd_shell 'h.pwrite(b"x" * 4096, 2 << 30); assert h.pread(5000, 1 << 30) == b"there" * 1000'
has_parts "$MNT/disk" 3
"$GMEMFS" block --detach "$MNT/disk"
