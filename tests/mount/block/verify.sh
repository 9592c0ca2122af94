# --verify: bytes that were changed behind the device are an error, until they are written again; also after a take-over.
# needs: nbdcopy nbdsh nbdinfo
truncate -s 16M "$MNT/disk"
serve "$MNT/disk" --verify
says "block_size_minimum: 4096" nbdinfo "$NBD"
random_bytes 16M > data
nbdcopy data "$NBD"
nbdcopy "$NBD" back
cmp data back
random_bytes 64 | dd of="$MNT/disk" bs=64 seek=78125 conv=notrunc status=none
cat > look.py <<'P'
import nbd

block = 5000000 // 4096 * 4096
def code_of(offset, count):
    try:
        h.pread(count, offset)
        return "0"
    except nbd.Error as error:
        return error.errno
print(code_of(block, 4096), code_of(block - 4096, 4096), code_of(block + 4096, 4096), code_of(block - 8192, 16384))
P
is "$(nbd_shell "$(cat look.py)")" "EIO 0 0 EIO"
has_spare "$MNT/disk"
worker=$(device_says "$MNT/disk" 'd["worker"]["pid"]')
kill -KILL "$worker"
gone "$worker"
is "$(nbd_shell "$(cat look.py)")" "EIO 0 0 EIO"
nbd_shell 'h.pwrite(open("data", "rb").read()[5000000 // 4096 * 4096:][:4096], 5000000 // 4096 * 4096)'
is "$(nbd_shell "$(cat look.py)")" "0 0 0 0"
nbd_shell 'h.zero(1 << 20, 0); assert h.pread(1 << 20, 0) == bytes(1 << 20)'
nbd_shell '
import nbd
h.set_strict_mode(0)
for offset, count in (1, 4096), (0, 100), (4096, 6 * (1 << 20) + 1):
    try:
        h.pwrite(bytes(count), offset)
    except nbd.Error as error:
        assert error.errno == "EINVAL", error
    else:
        raise AssertionError((offset, count))
'
"$GMEMFS" block --detach "$MNT/disk"
