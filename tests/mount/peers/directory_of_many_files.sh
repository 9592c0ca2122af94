# A directory of 1,024 files comes in one request, others are served in between; one file more than a connection has room for is refused
# whole.
# timeout: 120
mkdir "$MNT/d"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import errno, sys
from peer import *
mount = sys.argv[1]
folder = mount + "/d"
names = [f"{index:04}" for index in range(1024)]
for name in names:
    open(f"{folder}/{name}", "wb").close()
truncated = names[::100]
for name in truncated:
    os.truncate(f"{folder}/{name}", 2 << 20)
slow = Peer(mount)
slow.send(header(4, 48) + os.getxattr(folder, "user.gmemfs.ticket") + struct.pack("<II", FABRIC, 0))
first = slow.receive_entry()  # and doesn't read on: its buffer fills, and it alone waits
assert Peer(mount).attach(f"{folder}/0000", FABRIC).code == 0
entries = Peer(mount).attach_directory(folder, FABRIC)
assert list(entries) == names
assert [name for name in names if entries[name].code == 0] == truncated
assert first.name == "0000" and [slow.receive_entry().name for _ in range(1023)] == names[1:]
ticket = os.getxattr(f"{folder}/0000", "user.gmemfs.ticket")
for _ in range(65536 - 1024 - len(truncated)):
    assert slow.attach_ticket(ticket, FABRIC).code == 0
open(f"{folder}/more", "wb").close()
refused = slow.ask_directory(os.getxattr(folder, "user.gmemfs.ticket"))
assert refused.code == errno.EUSERS and "65536" in refused.text, refused.text
slow.close()
EOF
