# A thin disk takes memory 64 MiB at a time, when it is written, and gives it back when discards have covered that.
# timeout: 120
# needs: nbdcopy nbdsh
serve "$MNT/disk" --thin --size 8G --queues 2
has_parts "$MNT/disk" 0
is "$(mode_of "$MNT/disk")" 700
is "$(device_says "$MNT/disk" 'd["thin"], d["size"], d["allocated"]')" "(True, 8589934592, 0)"
nbd_shell '
assert h.get_size() == 8 << 30
assert h.pread(32 << 20, 100 << 20) == bytes(32 << 20) # of a hole
h.trim(1 << 30, 0)                                     # nothing to give back
h.zero(1 << 30, 1 << 30)'
has_parts "$MNT/disk" 0
# A write into each of two parts; what is beside it reads as zeros.
nbd_shell '
h.pwrite(b"x" * 4096, (5 << 30) + 12345)
assert h.pread(8192, (5 << 30) + 12345 - 2048) == bytes(2048) + b"x" * 4096 + bytes(2048)'
has_parts "$MNT/disk" 1
[ -f "$MNT/disk/000080" ]
nbd_shell '
h.pwrite(b"y" * (1 << 20), (128 << 20) - (1 << 19)) # over a border
assert h.pread(2 << 20, 127 << 20) == bytes(1 << 19) + b"y" * (1 << 20) + bytes(1 << 19)'
has_parts "$MNT/disk" 3
says "thin with 192 MiB" "$GMEMFS" block --list
# Part of what was written is cleared: nothing goes. Then all of it, in a part that is read meanwhile by another client.
nbd_shell '
h.trim(4096, (5 << 30) + 12288)
h.trim((1 << 20) - 4096, (128 << 20) - (1 << 19) + 4096)
assert h.pread(8192, (128 << 20) - (1 << 19)) == b"y" * 4096 + bytes(4096)'
has_parts "$MNT/disk" 2 # of the border only the first block is left
nbd_shell 'h.trim(8192, (5 << 30) + 12288); assert h.pread(65536, 5 << 30) == bytes(65536)'
has_parts "$MNT/disk" 1
nbd_shell 'h.zero(64 << 20, 64 << 20)' # write-zeroes may give it back, too
has_parts "$MNT/disk" 0
# ... unless they must not: that memory is there, and stays until a discard.
nbd_shell 'import nbd; h.zero(4096, 1 << 30, nbd.CMD_FLAG_NO_HOLE)'
has_parts "$MNT/disk" 1
nbd_shell 'h.trim(4096, 1 << 30)'
has_parts "$MNT/disk" 0
# Trimmed by halves while other connections read and write beside it.
/usr/bin/python3 - "$NBD" <<'P'
import nbd, os, sys, threading

def connect():
    h = nbd.NBD()
    h.connect_uri(sys.argv[1])
    return h

failures = []
def run(part):
    try:
        h = connect()
        for round in range(10):
            data = os.urandom(1 << 20)
            for at in range(part << 26, (part << 26) + (8 << 20), 1 << 20):
                h.pwrite(data, at)
            for at in range(part << 26, (part << 26) + (8 << 20), 1 << 20):
                assert h.pread(1 << 20, at) == data, hex(at)
            h.trim(4 << 20, part << 26)
            h.trim(4 << 20, (part << 26) + (4 << 20))
            assert h.pread(32 << 20, part << 26) == bytes(32 << 20), part
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=run, args=(part,)) for part in (0, 1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
P
has_parts "$MNT/disk" 0
# A batch in which writes, reads and discards of one part follow each other.
nbd_shell '
def wait(cookies):
    while cookies := [cookie for cookie in cookies if not h.aio_command_completed(cookie)]:
        h.poll(-1)
import nbd
buffers = [nbd.Buffer(4096) for _ in range(16)]
cookies = []
for round in range(16):
    cookies.append(h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray([round]) * 4096), 7 << 30))
    cookies.append(h.aio_pread(buffers[round], 7 << 30))
    wait(cookies)
    cookies = [h.aio_trim(64 << 20, 7 << 30)]
wait(cookies)
for round in range(16):
    assert buffers[round].to_bytearray() == bytearray([round]) * 4096, round
assert h.pread(4096, 7 << 30) == bytes(4096)'
has_parts "$MNT/disk" 0
# Digests: what nbdcopy puts there is there, also for who reads the parts' files.
random_bytes 70000000 > data
nbdcopy data "$NBD"
nbd_shell '
expected = open("data", "rb").read()
for at in range(0, len(expected), 1 << 24):
    assert h.pread(min(1 << 24, len(expected) - at), at) == expected[at:at + (1 << 24)], at'
has_parts "$MNT/disk" 2
"$GMEMFS" block --detach "$MNT/disk"
cat "$MNT/disk/000000" "$MNT/disk/000001" > whole
cmp -n 70000000 data whole
# Attached once more, without --thin and --size: it is all there, and what was there counts as written.
serve "$MNT/disk"
is "$(device_says "$MNT/disk" 'd["size"], d["allocated"]')" "(8589934592, 134217728)"
nbd_shell 'h.trim(70000000, 0)'
has_parts "$MNT/disk" 1
nbd_shell 'h.trim(128 << 20, 0)'
has_parts "$MNT/disk" 0
"$GMEMFS" block --detach "$MNT/disk"
is "$(ls -A "$MNT/disk")" size
is "$(df --block-size=1M --output=used "$MNT" | tail -n 1 | tr -d ' ')" 2 # the chunk of small files
