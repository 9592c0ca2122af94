# Peers that wait for another generation of a file: publishing at full speed, many at once, who may wait, what
# ends of leases tell, and waiters that are killed.
# options: -o allow_other
# timeout: 120
cat > waiting.py << 'P'
import errno, json, os, signal, subprocess, sys, threading, time
import gmemfs
mount = sys.argv[1]
path = mount + "/weights"
stats = lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats"))


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "not within 20 s"
        time.sleep(0.01)


def publish(text, name=path):
    with open(name + ".new", "wb") as file: file.write(text)
    os.rename(name + ".new", name)


def in_thread(call):
    result = []
    def run():
        try: result.append(call())
        except BaseException as error: result.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    return lambda: (thread.join(20), result[0])[1]


def read(name=path):
    with open(name, "rb") as file: return file.read()


# Who always asks for another one than the last that was seen ends with the last.
publish(b"0")
def follow():
    known, seen = gmemfs.generation(path), []
    while not seen or seen[-1] != b"end":
        known = gmemfs.wait(path, after=known, timeout=20)
        seen.append(read())
    return seen
followers = [in_thread(follow) for _ in range(50)]
until(lambda: stats()["waiters"] == 50)
for number in range(100): publish(b"%d" % number)
publish(b"end")
for follower in followers:
    seen = follower()
    assert isinstance(seen, list), seen
    numbers = [int(text) for text in seen[:-1]]
    assert numbers == sorted(numbers), "an older one came back"
until(lambda: stats()["waiters"] == 0 and stats()["peers"] == 0)

# All of them are told by one change, and none by another file's.
waiters = [in_thread(lambda: gmemfs.wait(path, timeout=20)) for _ in range(50)]
until(lambda: stats()["waiters"] == 50)
publish(b"other", mount + "/other")
with open(path + ".new", "wb") as file: file.write(b"once")
now = gmemfs.generation(path + ".new")
os.rename(path + ".new", path)
assert [waiter() for waiter in waiters] == [now] * 50

# A peer that writes by its mapping: at the lease's end, and when it seals. One that only reads tells nobody.
os.truncate(path, 2 << 20)
known = gmemfs.generation(path)
file = gmemfs.open(path)
reading = file.map(read_only=True)
waiter = in_thread(lambda: gmemfs.wait(path, after=known, timeout=20))
until(lambda: stats()["waiters"] == 1)
reading.unmap()
writing = file.map()
assert gmemfs.generation(path) == known and stats()["waiters"] == 1
file.seal()
sealed = waiter()
assert sealed == gmemfs.generation(path) != known
waiter = in_thread(lambda: gmemfs.wait(path, after=sealed, timeout=20))
until(lambda: stats()["waiters"] == 1)
writing.unmap()
assert waiter() == gmemfs.generation(path) != sealed
file.close()

# A writer that is done in part isn't done: its second descriptor is open, and its child's is closed.
known = gmemfs.generation(path)
waiter = in_thread(lambda: gmemfs.wait(path, after=known, timeout=20))
until(lambda: stats()["waiters"] == 1)
fd = os.open(path, os.O_RDWR)
os.write(fd, b"begun")
os.close(os.dup(fd))
assert subprocess.call(["true"]) == 0
assert stats()["waiters"] == 1
os.write(fd, b"done")
os.close(fd)
assert waiter() == gmemfs.generation(path) != known

# Time is kept, ^C is answered, and a file that comes, and goes.
began = time.monotonic()
try: gmemfs.wait(path, timeout=0.2)
except TimeoutError as error: assert error.filename == path
else: raise AssertionError("nothing has changed")
assert 0.2 <= time.monotonic() - began < 10
threading.Thread(target=lambda: (until(lambda: stats()["waiters"] == 1), os.kill(os.getpid(), signal.SIGINT))).start()
try: gmemfs.wait(path)
except KeyboardInterrupt: pass
else: raise AssertionError("it wasn't interrupted")
assert gmemfs.generation(mount + "/none") == 0
waiter = in_thread(lambda: gmemfs.wait(mount + "/none", timeout=20))
until(lambda: stats()["waiters"] == 1)
publish(b"there", mount + "/none")
there = waiter()
assert there == gmemfs.generation(mount + "/none") != 0
waiter = in_thread(lambda: gmemfs.wait(mount + "/none", after=there, timeout=20))
until(lambda: stats()["waiters"] == 1)
os.unlink(mount + "/none")
assert waiter() == 0
for name, code in ((mount + "/no/such", errno.ENOENT), (mount, errno.EISDIR if mount.endswith("/") else errno.ENOTTY),
                   ("/etc/hostname", errno.ENOTTY), (mount + "/other/x", errno.ENOTDIR)):
    try: gmemfs.wait(name, after=1, timeout=20)
    except OSError as error: assert error.errno == code, (name, error)
    else: raise AssertionError(name)

# Killed waiters leave nothing.
waiting = [subprocess.Popen([os.environ["GMEMFS"], "wait", path]) for _ in range(10)]
until(lambda: stats()["waiters"] == 10)
for each in waiting: each.kill()
until(lambda: stats()["waiters"] == 0 and stats()["peers"] <= 1)  # this process has mapped
P
peer_python waiting.py "$MNT"
# Who may list and search the directory and read the file waits for it, though neither may be written; nobody else does.
needs_root
waits() { is "$("$GMEMFS" stat --json "$MNT" | json 'd["waiters"]')" 1; }
umask 022
mkdir -m 755 "$MNT/d"
echo 1 > "$MNT/d/public"
echo 1 > "$MNT/d/secret"
chmod 644 "$MNT/d/public"
chmod 600 "$MNT/d/secret"
chmod 755 . .. "$MNT" 2> /dev/null || true
as_nobody test -x "$GMEMFS" || skip "nobody can't reach $GMEMFS here"
as_nobody "$GMEMFS" wait "$MNT/d/public" --generation-after 0 > told
is "$(cat told)" "$(xattr user.gmemfs.generation "$MNT/d/public")"
expect_error "Permission denied" as_nobody "$GMEMFS" wait "$MNT/d/secret" --generation-after 0
as_nobody "$GMEMFS" wait "$MNT/d/public" 2> said &
waiter=$!
soon waits
chmod 700 "$MNT/d"
echo 2 > "$MNT/d/public"
fails wait "$waiter"
grep -q "Permission denied" said
no_peers_left
