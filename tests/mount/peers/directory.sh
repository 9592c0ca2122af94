# One request brings every file in a directory: each with a code of its own, handles and a lease; other things aren't files.
mkdir "$MNT/d" "$MNT/d/folder" "$MNT/none"
truncate -s 3M "$MNT/d/a"
truncate -s 2M "$MNT/d/b"
echo small > "$MNT/d/small"
: > "$MNT/d/empty"
truncate -s 2M "$MNT/d/folder/deeper"
ln -s a "$MNT/d/link"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import errno, sys
from peer import *
mount = sys.argv[1]
folder = mount + "/d"
peer = Peer(mount)
entries = peer.attach_directory(folder, FABRIC | DESCRIPTOR, WRITE)
assert list(entries) == ["a", "b", "small", "empty"], entries.keys()
sizes = {name: (entry.code, entry.size, entry.allocated) for name, entry in entries.items()}
assert sizes == {"a": (0, 3 << 20, 4 << 20), "b": (0, 2 << 20, 2 << 20), "small": (0, 6, 2 << 20),
                 "empty": (errno.ENODATA, 0, 0)}, sizes
for name in ("a", "b", "small"):
    assert entries[name].extents[0][6] == os.getxattr(f"{folder}/{name}", "user.fabric_handle")
assert counts(mount) == (1, 3)
# By descriptors, and side by side with a lease on one of them.
again = Peer(mount).attach_directory(folder)
assert [len(entry.fds) for entry in again.values()] == [1, 1, 1, 0]
# What concerns one file hinders no other; each lease is released by itself.
assert peer.release(entries["b"].lease) == 0
alone = Peer(mount)
assert alone.attach(folder + "/a", lease=EXCLUSIVE).code == errno.EBUSY
wanted = Peer(mount).attach_directory(folder, lease=EXCLUSIVE)
assert [entry.code for entry in wanted.values()] == [errno.EBUSY, errno.EBUSY, errno.EBUSY, errno.ENODATA]
assert "process" in wanted["a"].text
# No files; no directory; no ticket of one.
assert peer.attach_directory(mount + "/none") == {}
refused = peer.ask_directory(os.getxattr(folder + "/a", "user.gmemfs.ticket"))
assert refused.code == errno.ENOTDIR, refused.code
assert peer.attach_ticket(os.getxattr(folder, "user.gmemfs.ticket")).code == errno.EINVAL
EOF
