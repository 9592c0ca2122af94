# Peers that wait for another generation of a file while the server is killed, or replaced: the change comes meanwhile, or
# afterwards, and they are told.
# mount: none
# server: killed
# timeout: 120
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
cat > waiting.py << 'P'
import json, os, signal, subprocess, sys, threading, time
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


# The server is killed, or replaced, and the change comes meanwhile, or afterwards.
for end in ("crash", "restart"):
    for when in ("meanwhile", "afterwards"):
        known = gmemfs.generation(path)
        waiters = [in_thread(lambda: gmemfs.wait(path, after=known, timeout=20)) for _ in range(3)]
        until(lambda: stats()["waiters"] == 3)
        pid = stats()["server_pid"]
        if end == "crash":
            os.kill(pid, signal.SIGKILL)
        else:
            restart = subprocess.Popen([os.environ["GMEMFS"], "restart", mount])
        if when == "afterwards": until(lambda: stats()["server_pid"] != pid and stats()["waiters"] == 3)
        publish(b"new")
        assert [waiter() for waiter in waiters] == [gmemfs.generation(path)] * 3, (end, when)
        assert gmemfs.generation(path) != known
        if end == "restart": assert restart.wait() == 0

P
peer_python waiting.py "$MNT"
no_peers_left
"$GMEMFS" umount "$MNT"
