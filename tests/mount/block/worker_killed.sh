# A worker that is killed is replaced by the spare, which was ready; clients connect again, and everything is there.
# timeout: 120
# needs: nbdcopy nbdsh
truncate -s 64M "$MNT/disk"
random_bytes 64M > data
serve "$MNT/disk"
nbdcopy data "$NBD"
for round in 1 2 3 4 5; do
    has_spare "$MNT/disk"
    spare=$(device_says "$MNT/disk" 'd["spare"]["pid"]')
    kill -KILL "$(device_says "$MNT/disk" 'd["worker"]["pid"]')"
    nbdcopy "$NBD" back
    cmp data back
    is "$(device_says "$MNT/disk" 'd["worker"]["pid"], d["takeovers"]')" "($spare, $round)"
    random_bytes 1M | tee >(dd of=data bs=1M seek="$round" conv=notrunc status=none) > piece
    nbd_shell "h.pwrite(open('piece', 'rb').read(), $round << 20)"
    wait
done
# In the middle of writes: each that was answered is there.
has_spare "$MNT/disk"
worker=$(device_says "$MNT/disk" 'd["worker"]["pid"]')
/usr/bin/python3 - "$NBD" "$worker" data <<'P'
import nbd, os, signal, sys

uri, worker, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
model = bytearray(open(path, "rb").read())
h = nbd.NBD()
h.connect_uri(uri)
written = 0
try:
    for index in range(100000):
        if index == 2000:
            os.kill(worker, signal.SIGKILL)
        offset, data = index * 7919 * 512 % (60 << 20), os.urandom(512)
        h.pwrite(data, offset)
        model[offset:offset + 512] = data
        written += 1
except nbd.Error:
    pass
assert 2000 <= written < 100000, written
h = nbd.NBD()
h.connect_uri(uri)
unanswered = (offset, offset + 512)
for at in range(0, 64 << 20, 1 << 20):
    got, expected = h.pread(1 << 20, at), model[at:at + (1 << 20)]
    for byte in range(0, 1 << 20, 512):
        if got[byte:byte + 512] != expected[byte:byte + 512]:
            assert at + byte == unanswered[0] and got[byte:byte + 512] == data, hex(at + byte)
P
# The spare that is killed is made anew as well.
has_spare "$MNT/disk"
spare=$(device_says "$MNT/disk" 'd["spare"]["pid"]')
kill -KILL "$spare"
gone "$spare"
has_spare "$MNT/disk"
differs "$(device_says "$MNT/disk" 'd["spare"]["pid"]')" "$spare"
"$GMEMFS" block --detach "$MNT/disk"
