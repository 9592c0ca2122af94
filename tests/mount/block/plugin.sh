# nbdkit gmemfs FILE: the same bytes behind nbdkit, its filters, and its fork.
# timeout: 120
# needs: nbdkit nbdcopy nbdsh nbdinfo fio
plugin=${GMEMFS%/*}/nbdkit-gmemfs-plugin.so
[ -e "$plugin" ] || skip "nbdkit-plugin-dev was not there when this was built"
truncate -s 64M "$MNT/disk"
random_bytes 50000003 > data
started() { # started OPTION...: nbdkit in the background; returns when it serves
    nbdkit -U "$PWD/s" -P "$PWD/pid" "$@"
    NBD="nbd+unix:///?socket=$PWD/s"
}
stopped() {
    local pid
    pid=$(cat pid)
    kill "$pid"
    gone "$pid"
    rm -f s pid
}
started "$plugin" "$MNT/disk"
info=$(nbdinfo "$NBD")
for line in "export-size: 67108864" "can_flush: true" "can_fua: true" "can_trim: true" "can_zero: true" "can_fast_zero: true" \
    "can_multi_conn: true" "can_cache: true" "block_size_preferred: 4096" "block_size_maximum: 33554432"; do
    grep -q "$line" <<< "$info"
done
nbdcopy data "$NBD"
cmp data <(head -c 50000003 "$MNT/disk")
nbdcopy "$NBD" back
cmp back "$MNT/disk"
nbd_shell '
import nbd, os
data = os.urandom(32 << 20)
h.pwrite(data, 12345, nbd.CMD_FLAG_FUA)
assert h.pread(32 << 20, 12345) == data
h.zero(1 << 20, 12345, nbd.CMD_FLAG_FAST_ZERO)
h.trim(4096, 0)
h.flush()
h.cache(4096, 0)
assert h.pread((1 << 20) + 1, 12345) == bytes(1 << 20) + data[1 << 20:][:1] and h.pread(4096, 0) == bytes(4096)'
fio --name=job --thread --ioengine=nbd --uri="$NBD" --size=8M --offset_increment=8M --numjobs=4 --iodepth=16 --rw=randrw \
    --bsrange=512-128k --verify=crc32c --verify_fatal=1 --randseed=7 --minimal > fio.log
stopped
# Filters: what they do to requests doesn't reach the file's bytes.
started --filter=error --filter=delay "$plugin" "$MNT/disk" error-pread=EIO error-pread-rate=100% rdelay=10ms
expect_error "Input/output error" nbdcopy "$NBD" back
stopped
started --filter=blocksize "$plugin" "$MNT/disk" minblock=4096
nbdcopy "$NBD" back
cmp back "$MNT/disk"
stopped
started -r "$plugin" "$MNT/disk"
says "is_read_only: true" nbdinfo "$NBD"
stopped
# What it needs is told before it serves.
touch "$MNT/empty" plain
expect_error "name a file" nbdkit -f -U "$PWD/e" "$plugin"
expect_error "it is empty" nbdkit -f -U "$PWD/e" "$plugin" "$MNT/empty"
expect_error "it is on no gmemfs mount" nbdkit -f -U "$PWD/e" "$plugin" plain
expect_error "No such file" nbdkit -f -U "$PWD/e" "$plugin" "$MNT/none"
expect_error "unknown parameter" nbdkit -f -U "$PWD/e" "$plugin" "$MNT/disk" colour=red
