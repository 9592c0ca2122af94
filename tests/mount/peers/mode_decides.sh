# Who may not both read and write a file gets neither ticket nor memory, also with a ticket from who may.
# options: -o allow_other
needs_root
truncate -s 2M "$MNT/f"
chmod 644 "$MNT/f"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF'
import os, sys
from peer import *
mount = sys.argv[1]
path = mount + "/f"
ticket = os.getxattr(path, "user.gmemfs.ticket")


def as_user(uid, gid, groups, what):
    if os.fork() == 0:
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        try:
            os._exit(what())
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.wait()[1])


EACCES = 13
assert as_user(1234, 1234, [], lambda: Peer(mount).attach(path).code) == EACCES  # the ticket itself
assert as_user(1234, 1234, [], lambda: Peer(mount).attach_ticket(ticket).code) == EACCES
os.chmod(path, 0o666)
assert as_user(1234, 1234, [], lambda: Peer(mount).attach(path).code) == 0
os.chmod(path, 0o660)
os.chown(path, 0, 77)
assert as_user(1234, 1234, [], lambda: Peer(mount).attach_ticket(ticket).code) == EACCES
assert as_user(1234, 1234, [5, 77], lambda: Peer(mount).attach(path).code) == 0, "a supplementary group"
assert as_user(1234, 77, [], lambda: Peer(mount).attach(path).code) == 0
# Of a directory it takes reading and searching, and then each file's own mode decides.
folder = mount + "/d"
os.mkdir(folder, 0o755)
for name, mode in (("mine", 0o600), ("everybodys", 0o666)):
    open(f"{folder}/{name}", "wb").close()
    os.truncate(f"{folder}/{name}", 2 << 20)
    os.chmod(f"{folder}/{name}", mode)
directory = os.getxattr(folder, "user.gmemfs.ticket")
codes = lambda: [entry.code for entry in Peer(mount).attach_directory(folder).values()]
assert as_user(1234, 1234, [], lambda: 0 if codes() == [EACCES, 0] else 1) == 0
for mode in (0o711, 0o744):
    os.chmod(folder, mode)
    assert as_user(1234, 1234, [], lambda: Peer(mount).ask_directory(directory).code) == EACCES, oct(mode)
EOF
