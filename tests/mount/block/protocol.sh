# Every command of the protocol, sizes that are odd and large, and what lies outside.
# needs: nbdsh
truncate -s 100M "$MNT/disk"
serve "$MNT/disk"
nbd_shell '
import nbd, os
def refused(code, call, *arguments):
    try:
        call(*arguments)
    except nbd.Error as error:
        assert error.errno == code, (error, code)
    else:
        raise AssertionError((code, arguments))

h.set_strict_mode(0)  # so that libnbd sends what it knows to be wrong
size = h.get_size()
model = bytearray(size)
def write(data, offset, flags=0):
    h.pwrite(data, offset, flags)
    model[offset:offset + len(data)] = data
def zero(count, offset, call, flags=0):
    call(count, offset, flags)
    model[offset:offset + count] = bytes(count)

for count, offset in (1, 0), (511, 1), (4096, 4096), (4097, 12345), (1310720, 777), (1 << 20, size - (1 << 20)), \
        (4 << 20, 1 << 20), ((4 << 20) + 1, 3), (32 << 20, 5 << 20):
    write(os.urandom(count), offset)
    assert h.pread(count, offset) == model[offset:offset + count], (count, offset)
write(os.urandom(5000), 50 << 20, nbd.CMD_FLAG_FUA)
h.flush()
zero(1 << 20, (50 << 20) - 17, h.zero)
zero(8192, 60 << 20, h.zero, nbd.CMD_FLAG_FAST_ZERO)
zero(70000, 6 << 20, h.zero, nbd.CMD_FLAG_NO_HOLE)
zero(5 << 20, 7 << 20, h.trim)
zero(4096, 0, h.trim, nbd.CMD_FLAG_FUA)
h.cache(1 << 20, 0)
h.pread(0, 0)
h.trim(0, 0)
h.pwrite(b"", size)

refused("EINVAL", h.pread, 2, size - 1)
refused("EINVAL", h.pread, 1, 1 << 60)
refused("ENOSPC", h.pwrite, b"ab", size - 1)
refused("ENOSPC", h.pwrite, bytes(6 << 20), size - 4096)
refused("ENOSPC", h.zero, 2, size - 1)
refused("EINVAL", h.trim, 4096, size)
refused("EINVAL", h.cache, 4096, size)

# Many at once, in any order.
commands = []
for index in range(200):
    data = os.urandom(1000 + index * 37)
    offset = index * 100000 + 13
    model[offset:offset + len(data)] = data
    commands.append(h.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(data)), offset))
while commands:
    h.poll(-1)
    commands = [command for command in commands if not h.aio_command_completed(command)]
buffers = [(nbd.Buffer(300000), index * 300000) for index in range(60)]
commands = [h.aio_pread(buffer, offset) for buffer, offset in buffers]
while commands:
    h.poll(-1)
    commands = [command for command in commands if not h.aio_command_completed(command)]
for buffer, offset in buffers:
    assert buffer.to_bytearray() == model[offset:offset + 300000], offset
for offset in range(0, size, 10 << 20):
    assert h.pread(10 << 20, offset) == model[offset:offset + (10 << 20)], offset
h.shutdown()
'
# A client that closes in the middle of a write, or sends nonsense, ends alone.
python3 - "$NBD_SOCKET" <<'P'
import os, socket, struct, sys

def connected():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.settimeout(10)
    assert s.recv(18)[:8] == b"NBDMAGIC"
    return s

def served():
    s = connected()
    s.sendall(struct.pack(">I", 3))
    s.sendall(b"IHAVEOPT" + struct.pack(">IIIH", 7, 6, 0, 0))
    data = b""
    while not data.endswith(struct.pack(">QIII", 0x3e889045565a9, 7, 1, 0)):
        data += s.recv(4096)
    return s

def is_closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionError:
        return True

served().sendall(struct.pack(">IHHQQI", 0x25609513, 0, 1, 1, 0, 4096) + b"x" * 100)
for nonsense in os.urandom(64), b"\0" * 28, struct.pack(">IHHQQI", 0x25609514, 0, 0, 1, 0, 4096):
    s = served()
    s.sendall(nonsense)
    assert is_closed(s)
s = connected()
s.sendall(struct.pack(">I", 0xffff))
assert is_closed(s)
s = connected()
s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 7, 1 << 30))
assert is_closed(s)
# An unknown command is refused, and the next one is served.
s = served()
s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 77, 0x0102030405060708, 0, 0))
assert struct.unpack(">IIQ", s.recv(16)) == (0x67446698, 22, 0x0102030405060708)
s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, 9, 0, 4096))
reply = s.recv(16 + 4096, socket.MSG_WAITALL)
assert struct.unpack(">IIQ", reply[:16]) == (0x67446698, 0, 9) and len(reply) == 4112
P
"$GMEMFS" block --detach "$MNT/disk"
