# Who asks how long a value is, and then reads it, as getfattr does, gets it although it grew meanwhile.
cat > ask.py <<'P'
import ctypes, json, os, sys

mnt = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)


def get(path, name, room):
    buffer = ctypes.create_string_buffer(max(room, 1))
    got = libc.getxattr(path.encode(), name.encode(), buffer if room else None, ctypes.c_size_t(room))
    assert got >= 0, f"{name}: {os.strerror(ctypes.get_errno())}"
    return got, buffer.raw[:got] if room else b""


def across(path, name, change):
    room, _ = get(path, name, 0)
    change()
    length, value = get(path, name, room)
    assert length == len(value) <= room
    return value


def grow():
    os.truncate(f"{mnt}/file", 6 << 20)
    for i in range(12):
        os.close(os.open(f"{mnt}/{i}", os.O_CREAT | os.O_WRONLY))


os.close(os.open(f"{mnt}/file", os.O_CREAT | os.O_WRONLY))
os.truncate(f"{mnt}/file", 2 << 20)
before = json.loads(get(mnt, "user.gmemfs.stats", 1 << 16)[1])
after = json.loads(across(mnt, "user.gmemfs.stats", grow))
assert after["requests"] != before["requests"]
extents = json.loads(across(f"{mnt}/file", "user.gmemfs.extents", lambda: os.truncate(f"{mnt}/file", 8 << 20)))
assert sum(extent["length"] for extent in extents) == 8 << 20
assert across(f"{mnt}/file", "user.gmemfs.ecc", lambda: None) == b"off"
where = across(f"{mnt}/file", "user.gmemfs.residence", lambda: open(f"{mnt}/file", "rb").read(1))
assert json.loads(where)["where"] == "device"

# What a user set, and what is listed, has the length that is told: rsync -X compares the two.
os.setxattr(f"{mnt}/file", "user.note", b"x" * 300)
for name in os.listxattr(f"{mnt}/file"):
    assert get(f"{mnt}/file", name, 0)[0] == len(os.getxattr(f"{mnt}/file", name)), name
P
python3 ask.py "$MNT"
"$GMEMFS" pack "$MNT/file"
python3 - "$MNT/file" <<'P'
import ctypes, json, sys

libc = ctypes.CDLL(None)
path, name = sys.argv[1].encode(), b"user.gmemfs.residence"
room = libc.getxattr(path, name, None, ctypes.c_size_t(0))
with open(path, "r+b") as file:
    file.write(b"w")  # wakes it
buffer = ctypes.create_string_buffer(room)
got = libc.getxattr(path, name, buffer, ctypes.c_size_t(room))
assert json.loads(buffer.raw[:got])["where"] == "device"
P
