# The worker is killed while a thin disk takes parts: what was answered is there, whatever part it went to, and the spare
# knows which blocks are written.
# timeout: 180
# size: 640M
# needs: nbdsh
serve "$MNT/disk" --thin --size 64G
for round in 1 2 3 4 5; do
    has_spare "$MNT/disk"
    /usr/bin/python3 - "$NBD" "$(device_says "$MNT/disk" 'd["worker"]["pid"]')" "$round" <<'P'
import nbd, os, random, signal, sys, threading

uri, worker, round = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random.seed(round)

def connect():
    h = nbd.NBD()
    h.connect_uri(uri)
    return h

def sector(part, number):
    return (f"{round} {part} {number} ".encode() * 512)[:512]

def offset(part, number):  # another one for each number
    return (part << 26) + number * 77 * 512 % (60 << 20)

parts = random.sample(range(256), 8)
answered = []

def write(lane):
    try:
        h = connect()
        for number in range(100000):
            for part in parts[lane * 4:][:4]:
                h.pwrite(sector(part, number), offset(part, number))
                answered.append((part, number))
    except nbd.Error:
        pass

threads = [threading.Thread(target=write, args=(lane,)) for lane in (0, 1)]
for thread in threads:
    thread.start()
while len(answered) < (1, 2, 4, 6, 50)[round - 1]:
    pass
os.kill(worker, signal.SIGKILL)
for thread in threads:
    thread.join()
h = connect()
for part, number in answered:
    assert h.pread(512, offset(part, number)) == sector(part, number), (part, number)
for part in set(range(256)) - set(parts):
    assert h.pread(4096, part << 26) == bytes(4096), part
for part in parts[:4]:
    h.trim(1 << 26, part << 26)
open("left", "w").write(str(len({part for part, _ in answered} & set(parts[4:]))))
assert len(answered) < 10000, "it wasn't killed"
P
    # A write that wasn't answered may have been done. Its part is there then, else the next worker has given it back.
    timeout 10 bash -c 'until [ "$(find "$1" -name "[0-9]*" | wc -l)" -le 4 ]; do :; done' - "$MNT/disk"
    [ "$(find "$MNT/disk" -name '[0-9]*' -size 64M | wc -l)" -ge "$(cat left)" ]
    nbd_shell 'for at in range(16): h.trim(1 << 30, at << 30)'
    has_parts "$MNT/disk" 0
done
"$GMEMFS" block --detach "$MNT/disk"
# With checksums, by a spare that has just been told of parts.
serve "$MNT/disk" --verify
has_spare "$MNT/disk"
nbd_shell 'for part in range(4): h.pwrite(b"a" * 8192, part << 30)'
kill -KILL "$(device_says "$MNT/disk" 'd["worker"]["pid"]')"
nbd_shell '
for part in range(4):
    assert h.pread(16384, part << 30) == b"a" * 8192 + bytes(8192)
    h.trim(4096, part << 30)'
has_parts "$MNT/disk" 4
nbd_shell 'for part in range(4): h.trim(4096, (part << 30) + 4096)'
has_parts "$MNT/disk" 0 # the bits that the first worker had set were known to the second
nbd_shell 'for part in range(4): assert h.pread(16384, part << 30) == bytes(16384)'
"$GMEMFS" block --detach "$MNT/disk"
