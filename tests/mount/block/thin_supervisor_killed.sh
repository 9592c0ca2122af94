# The supervisor of a thin disk is killed: the worker takes and gives back parts by itself, and --adopt loses none.
# timeout: 120
# size: 640M
# needs: nbdsh
serve "$MNT/disk" --thin --size 16G --queues 2
nbd_shell 'for part in 0, 1: h.pwrite(b"before" * 100, part << 30)'
kill_supervisor "$MNT/disk"
nbd_shell '
assert h.pread(600, 1 << 30) == b"before" * 100
h.pwrite(b"orphan" * 100, 2 << 30)
h.trim(64 << 20, 0)
h.pwrite(b"again" * 100, 0)
h.trim(64 << 20, 1 << 30)'
has_parts "$MNT/disk" 2
is "$(device_says "$MNT/disk" 'd["allocated"] >> 20, d["supervisor"]')" "(128, None)"
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["leases"]')" 2
expect_error "a peer has it mapped" "$GMEMFS" pack "$MNT/disk/000000"
refuses "it is a block device already" "$GMEMFS" block "$MNT/disk" --socket other
"$GMEMFS" block --adopt "$NBD_SOCKET"
is "$(device_says "$MNT/disk" 'd["allocated"] >> 20, d["thin"], d["queues"]')" "(128, True, 2)"
nbd_shell '
assert h.pread(600, 2 << 30) == b"orphan" * 100 and h.pread(500, 0) == b"again" * 100
assert h.pread(4096, 1 << 30) == bytes(4096)
h.trim(4096, 2 << 30)' # which blocks are written is known to the new worker
has_parts "$MNT/disk" 1
# While parts are taken: what was answered is there.
for round in 1 2 3 4; do
    /usr/bin/python3 - "$NBD" "$(device_says "$MNT/disk" 'd["supervisor"]')" "$round" <<'P'
import nbd, os, signal, sys, threading

uri, supervisor, round = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = f"{round} ".encode() * 200
failures, written = [], []

def write(lane):
    try:
        h = nbd.NBD()
        h.connect_uri(uri)
        for part in range(lane, 6, 2):
            h.pwrite(data, part << 30)
            written.append(part)
    except BaseException as error:
        failures.append(error)

threads = [threading.Thread(target=write, args=(lane,)) for lane in (0, 1)]
for thread in threads:
    thread.start()
while len(written) < round:
    pass
os.kill(supervisor, signal.SIGKILL)
for thread in threads:
    thread.join()
assert not failures, failures
h = nbd.NBD()
h.connect_uri(uri)
for part in range(6):
    assert h.pread(len(data), part << 30) == data, part
P
    has_parts "$MNT/disk" 6
    timeout 20 bash -c 'until "$1" block --adopt "$2" 2> /dev/null; do :; done' - "$GMEMFS" "$NBD_SOCKET"
    nbd_shell "for part in range(6): assert h.pread(400, part << 30) == b'$round ' * 200; h.trim(64 << 20, part << 30)"
    has_parts "$MNT/disk" 0
done
has_spare "$MNT/disk"
nbd_shell 'h.pwrite(b"end", 3 << 30)'
kill -KILL "$(device_says "$MNT/disk" 'd["worker"]["pid"]')"
nbd_shell 'assert h.pread(4, 3 << 30) == b"end\0"'
"$GMEMFS" block --detach "$MNT/disk"
# Supervisor and worker killed together while a part is made: a file without bytes may be left, and goes.
touch "$MNT/disk/000007"
serve "$MNT/disk"
has_parts "$MNT/disk" 1
is "$(ls "$MNT/disk")" "000048
size"
nbd_shell 'assert h.pread(4096, 7 << 26) == bytes(4096)'
"$GMEMFS" block --detach "$MNT/disk"
