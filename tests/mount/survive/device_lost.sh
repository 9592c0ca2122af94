# A sticky error costs the server its context, and nobody a file: another server takes over by itself, open files and peers go
# on. Once: a second one within a minute ends the mount, the log says what to do, and the keeper has the files.
# mount: none
needs_linux_that_asks_again
export GMEMFS_SIM_FAULTS=@$PWD/plan
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
PYTHONPATH="$TESTS/peers" python3 - "$MNT" "$PWD" <<'EOF'
import errno, json, mmap, os, sys
from peer import *
mount, folder = sys.argv[1:]
server = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))["server_pid"]


def lose_device():
    """The server's next wait for a copy fails, and all that comes after it in that process."""
    with open(folder + "/new", "w") as plan:
        plan.write("cuStreamSynchronize#1=ILLEGAL_ADDRESS")
    os.rename(folder + "/new", folder + "/plan")


data = os.urandom(3 << 20)
with open(mount + "/f", "wb") as file:
    file.write(data)
fd = os.open(mount + "/f", os.O_RDWR)
peer = Peer(mount)
memory = mmap.mmap(peer.attach(mount + "/f").fds[0], 2 << 20)
first = server()
lose_device()
assert os.pwrite(fd, b"new", 0) == 3  # the server that meets it doesn't answer, and the next one is asked again
assert server() != first
assert os.pread(fd, len(data), 0) == b"new" + data[3:]
assert memory[:6] == b"new" + data[3:6]
memory[3:6] = b"abc"
assert os.pread(fd, 6, 0) == b"newabc"
os.ftruncate(fd, 9 << 20)

lose_device()
try:
    os.pread(fd, 6, 0)
    raise AssertionError("a second time within a minute")
except OSError as error:
    assert error.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO), error
assert memory[:6] == b"newabc"
with open(folder + "/expected", "wb") as expected:
    expected.write(b"newabc" + data[6:] + bytes(6 << 20))
EOF
is "$(grep -c "is lost to this process, and another server takes over: wait for copies" log)" 2
is "$(grep -c "has lost its device: starting another one, once" log)" 1
for _ in $(seq 200); do grep -q "within 60 s: no more" log && break; sleep 0.05; done
grep -q "within 60 s: no more" log
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
cmp expected "$MNT/f"
"$GMEMFS" umount "$MNT"
