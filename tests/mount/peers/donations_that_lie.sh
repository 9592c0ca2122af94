# What a peer gives as its memory is taken only where it is that, of that size, and where the peer may make files. Whatever else it
# sends is refused, and harms nobody: no file is left, nothing is used, and the server asks no other filesystem anything.
# options: -o allow_other
# size: 64M
needs_root
truncate -s 4M "$MNT/mine" # whose descriptor is device memory
mkdir "$MNT/open" "$MNT/closed"
chmod 777 "$MNT/open"
chmod 755 "$MNT/closed"
mkfifo pipe
PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'EOF2'
import errno, json, os, struct, sys, tempfile
from peer import *
mount = sys.argv[1]
here = mount + "/open"
peer = Peer(mount)
attached = peer.attach(mount + "/mine")
memory, size = attached.fds[0], 4 << 20
used = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))["used"]
before = used()


def refused(code, directory=here, name=b"gift", size=size, descriptors=(memory,), **more):
    answer = peer.donate(directory, name, size, list(descriptors), **more)
    assert answer.code == code, (answer.code, answer.text)
    assert os.listdir(here) == [] and used() == before, (os.listdir(here), used())


refused(errno.EINVAL, descriptors=())
refused(errno.EINVAL, descriptors=(os.open("/etc/passwd", os.O_RDONLY),))
refused(errno.EINVAL, descriptors=(os.open(mount + "/mine", os.O_RDWR),))
refused(errno.EINVAL, descriptors=(os.open("pipe", os.O_RDONLY | os.O_NONBLOCK),))
refused(errno.EINVAL, descriptors=(os.open("/", os.O_PATH),))
for fake in (os.open("/dev/null", os.O_RDWR), os.memfd_create("fake"), os.eventfd(0)):
    answer = peer.donate(here, b"gift", size, [fake])
    assert answer.code != 0 and os.listdir(here) == [], answer.text
refused(errno.EINVAL, size=2 << 20)
refused(errno.EINVAL, size=6 << 20)
refused(errno.EINVAL, size=size + 1)
refused(errno.EINVAL, size=0)
refused(errno.ENOSPC, size=1 << 40)
refused(errno.ENODEV, device=b"another device!!")
refused(errno.ENODEV, device=b"host".ljust(16, b"\0"))
refused(errno.EINVAL, name=b"")
refused(errno.EINVAL, name=b"..")
refused(errno.EINVAL, name=b"../gift")
refused(errno.EPERM, name=b".gmemfs.socket")
refused(errno.EPROTO, name=b"x" * 256)
refused(errno.EPROTO, flags=4)
refused(errno.ENOTDIR, directory=mount + "/mine")
peer.send_donation(b"\1" * 24, b"gift", size, [memory])
assert peer.receive().code != 0
# The first of several is taken, and the rest is dropped.
answer = peer.donate(here, b"gift", size, [memory, os.open("/etc/passwd", os.O_RDONLY)])
assert answer.code == 0 and (answer.size, answer.allocated) == (size, size), answer.text
assert used() == before + size
assert peer.donate(here, b"gift", size, [memory]).code == errno.EEXIST
assert peer.release(answer.lease) == 0 and os.listdir(here) == [] and used() == before

# A table of blocks that is none, or lies, is believed nothing; one that is right is.
def table(words, rows=()):
    made = os.memfd_create("table")
    os.pwrite(made, struct.pack("<3Q", *words), 0)
    for index, row in enumerate(rows):
        os.pwrite(made, struct.pack("<5Q", *row), 4096 + 40 * index)
    return made


magic, used_block = 0x31534b4c42464d47, 1 << 40
pipe = os.open("pipe", os.O_RDWR | os.O_NONBLOCK)
write_only = os.open(f"/proc/self/fd/{table((magic, 1, 0))}", os.O_WRONLY)
for blocks in (memory, pipe, write_only, os.open("/", os.O_PATH), os.memfd_create("empty"), table((magic + 1, 1, 0)),
               table((magic, 1, 0), [(0, used_block, 512, 0, 0)]), table((magic, 1 << 63, 1 << 63))):
    liar = Peer(mount)
    answer = liar.donate(here, b"gift", size, [memory, blocks])
    assert answer.code == 0, answer.text
    try:
        raise AssertionError(os.getxattr(here + "/gift", "user.gmemfs.pool"))
    except OSError as error:
        assert error.errno == errno.ENODATA, error
    assert liar.release(answer.lease) == 0
honest = Peer(mount)
blocks = table((magic, 1, 0))
answer = honest.donate(here, b"gift", size, [memory, blocks])
os.pwrite(blocks, struct.pack("<5Q", answer.lease, used_block, 1 << 40, 0, 0), 4096)
assert json.loads(os.getxattr(here + "/gift", "user.gmemfs.pool")) == [
    {"offset": 0, "size": size, "state": "used", "asked": size}]
os.ftruncate(blocks, 0)
try:
    raise AssertionError(os.getxattr(here + "/gift", "user.gmemfs.pool"))
except OSError as error:
    assert error.errno == errno.ENODATA, error
assert honest.release(answer.lease) == 0 and os.listdir(here) == [] and used() == before

if os.fork() == 0:
    os.setresgid(1234, 1234, 1234)
    os.setresuid(1234, 1234, 1234)
    other = Peer(mount)
    assert other.donate(mount + "/closed", b"gift", size, [memory]).code == errno.EACCES
    given = other.donate(here, b"gift", size, [memory])
    assert given.code == 0, given.text
    assert os.stat(here + "/gift").st_uid == 1234
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 0
while os.listdir(here):  # which is nobody's own, and stays
    os.sched_yield()
os.close(memory)
EOF2
