# What the other host says is believed in nothing: names that lead out, bytes outside the file, a wrong digest, a flood.
mkdir target
echo mine > target/kept
cat > rsh << 'END'
#!/usr/bin/env python3
# A source that lies. MODE says how.
import os, stat, struct, sys, zlib
HELLO, LIST, ENTRY, WARNING, LISTED, FETCH, OPENED, DATA, TAKEN, SENT, FAILED = range(1, 12)
def write(data):
    try: os.write(1, data)
    except BrokenPipeError: sys.exit()
def send(kind, body): write( struct.pack("<IB", len(body), kind) + body)
def text(value): return struct.pack("<I", len(value)) + value
def take():
    head = b""
    while len(head) < 5:
        part = os.read(0, 5 - len(head))
        if not part: sys.exit()
        head += part
    length, kind = struct.unpack("<IB", head)
    body = b""
    while len(body) < length: body += os.read(0, length - len(body))
    return kind, body
def entry(parent, name, mode, size=0, link_to=0xffffffff, target=b""):
    body = struct.pack("<BII", 2, parent, link_to) + text(name) + struct.pack("<IIIQQqIqI", mode, 0, 0, 0, size, 0, 0, 0, 0)
    body += text(target) + struct.pack("<I", 0)
    return struct.pack("<II", len(body), zlib.crc32(body)) + body
FILE, FOLDER, LINK = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755, stat.S_IFLNK | 0o777
mode = os.environ["MODE"]
send(HELLO, struct.pack("<I", 2 if mode == "version" else 1) + text(b"gmemfs 99"))
take(), take()
top = entry(0, b"", FOLDER)
names = {
    "up": [top, entry(0, b"..", FOLDER), entry(1, b"evil", FILE, 4)],
    "slash": [top, entry(0, b"../evil", FILE, 4)],
    "through": [top, entry(0, b"link", LINK, target=b"/tmp"), entry(1, b"evil", FILE, 4)],
    "twice": [top, entry(0, b"a", FILE, 4), entry(0, b"a", FILE, 4)],
    "loop": [top, entry(2, b"a", FOLDER), entry(1, b"b", FOLDER)],
    "unasked": [entry(0, b"f", FILE, 4)] * 2,
}.get(mode, [entry(0, b"f", FILE, 4)])
for name in names: send(ENTRY, name)
send(LISTED, struct.pack("<Q", len(names) + (mode == "short")))
kind, body = take()
if kind == FAILED: sys.exit()
def opened(size): send(OPENED, struct.pack("<IQBII", 0, size, 1, 0, 0))
def data(offset, count): send(DATA, struct.pack("<IQ", 0, offset) + b"x" * count)
def sent(digest=b"sha256-tree-4k:" + b"0" * 64): send(SENT, struct.pack("<IBi", 0, 0, 0) + text(digest))
if mode == "digest": opened(4), data(0, 4), sent()
if mode == "outside": opened(4), data(1 << 40, 4), sent()
if mode == "more": opened(4), data(0, 5), sent()
if mode == "less": opened(4), data(0, 3), sent()
if mode == "unopened": data(0, 4), sent()
if mode == "again": opened(4), opened(4)
if mode == "huge": opened(1 << 61), sent()
if mode == "flood": write(struct.pack("<IB", 0xffffffff, DATA)), write(b"x" * 100000)
if mode == "kind": send(LIST, b"")
if mode == "escape": send(FAILED, struct.pack("<i", 1) + text(b"\x1b]0;title\x07"))
while True: take()
END
here_as_host
for mode in version up slash through twice loop unasked short digest outside more less unopened again huge flood kind escape; do
    echo "== $mode"
    said=$(MODE=$mode timeout 20 "$GMEMFS" pull -r -e "$RSH" host:/f target/ 2>&1) && { echo "$mode was believed"; exit 1; }
    [[ $said == "gmemfs: "* && $said != *$'\x1b'* ]] || { echo "$mode: $said"; exit 1; }
    is "$(ls -A target)" kept
done
nothing find . -name 'evil*'
fails test -e /tmp/evil
