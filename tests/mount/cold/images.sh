# The door to a file's image: who may read the file may read its image, who may write may give one; an image stays as it was
# when the file changes; a server that takes over has none open.
# mount: none
# timeout: 120
needs_root
"$GMEMFS" mount "$MNT" --simulate="$SIZE" -o allow_other
weights 9000001 --mixed > model
cp model "$MNT/model"
cp model "$MNT/packed"
"$GMEMFS" pack -q "$MNT/packed"
chmod 644 "$MNT/model" "$MNT/packed"
PYTHONPATH="$TESTS/cold" python3 - "$MNT" << 'P'
import errno, json, os, sys
from images import START, open_image, read_image, take_image
mount = sys.argv[1]
good = open("model", "rb").read()
def fails(code, call, *arguments):
    try: call(*arguments)
    except OSError as error: assert error.errno == code, error
    else: raise AssertionError("it succeeded")
def where(name): return json.loads(os.getxattr(f"{mount}/{name}", "user.gmemfs.residence"))["where"]
def used(): return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["used"]
plain = os.open(f"{mount}/model", os.O_RDONLY)
packed = os.open(f"{mount}/packed", os.O_RDONLY)
# Without an image that is open there is nothing so far behind the end.
assert os.pread(plain, 100, START) == b""
fails(errno.ENODATA, open_image, plain, False)
size, length, was_packed = open_image(packed, False)
assert length == len(good) and was_packed and size < length
image = read_image(packed, size)
assert image[:8] == b"GMEMPAK1" and len(image) == size
assert os.pread(packed, 100, START + size) == b"" and len(os.pread(packed, 100, START + size - 7)) == 7
assert os.pread(packed, 100, 5) == good[5:105] # the bytes are where they were
before = used()
assert open_image(plain) == (size, len(good), False)
assert read_image(plain, size) == image
assert (where("model"), where("packed")) == ("device", "packed")
assert used() > before
# It stays as it was, whatever becomes of the file.
os.truncate(f"{mount}/model", 0)
os.truncate(f"{mount}/packed", 100)
assert read_image(plain, size) == image and read_image(packed, size) == image
os.close(plain)
os.close(packed)
while used() >= before: pass
# Given back it is the file.
os.mkdir(f"{mount}/given")
def written(name, data, flags=os.O_RDWR):
    fd = os.open(f"{mount}/given/{name}", flags | os.O_CREAT, 0o644)
    os.truncate(fd, len(data))
    for at in range(0, len(data), 1 << 20): os.pwrite(fd, data[at:at + (1 << 20)], at)
    return fd
fd = written("file", image)
assert take_image(fd) == (len(good), "")
assert where("given/file") == "packed" and os.fstat(fd).st_size == len(good)
assert open(f"{mount}/given/file", "rb").read() == good and where("given/file") == "packed"
fails(errno.EALREADY, take_image, fd)
os.close(fd)
fd = written("wrong", image[:-1] + b"x") # between the last chunk and the image's end
os.pwrite(fd, b"x", len(image) // 2)
plain, wrong = take_image(fd)
assert plain == 0 and "its checksum is wrong" in wrong, wrong
assert where("given/wrong") == "device" and os.fstat(fd).st_size == len(image)
assert take_image(os.open(f"{mount}/given/empty", os.O_RDWR | os.O_CREAT))[0] == 0
fails(errno.ENOTTY, open_image, os.open(mount, os.O_RDONLY))
# Others may read the image of what they may read, and give none.
fd, theirs = os.open(f"{mount}/given/file", os.O_RDONLY), written("theirs", image)
reader = os.fork()
if reader == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    mine = os.open("/dev/null", os.O_RDONLY)
    assert open_image(fd)[0] == size and read_image(fd, size) == image
    fails(errno.EACCES, take_image, theirs)
    os._exit(0)
assert os.waitpid(reader, 0)[1] == 0
P
needs_linux_that_asks_again
# The next server knows of no image: to whoever reads one it ends, and can be opened again.
PYTHONPATH="$TESTS/cold" python3 - "$MNT" << 'P'
import errno, json, os, signal, sys
from images import START, open_image, read_image
path = f"{sys.argv[1]}/given/file"
fd = os.open(path, os.O_RDONLY)
size, _, _ = open_image(fd)
image = read_image(fd, size)
pid = json.loads(os.getxattr(sys.argv[1], "user.gmemfs.stats"))["server_pid"]
def stats():
    try: return json.loads(os.getxattr(sys.argv[1], "user.gmemfs.stats"))["server_pid"]
    except OSError as error:
        if error.errno != errno.EIO: raise
        return pid
os.kill(pid, signal.SIGKILL)
while stats() == pid: pass
assert os.pread(fd, 100, START) == b""
try: open_image(fd)
except OSError as error: assert error.errno == errno.ESTALE, error
else: raise AssertionError("a file that another server opened")
again = os.open(path, os.O_RDONLY)
assert open_image(again)[0] == size and read_image(again, size) == image
P
"$GMEMFS" umount "$MNT"
