# SIGKILL of the server at any instant of packing, by our own codecs and by nvCOMP, and of waking: each file is packed or plain,
# its bytes are right, and no memory is lost or held twice.
# mount: none
# timeout: 180
needs_linux_that_asks_again
weights 9000001 --mixed > model
GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" mount "$MNT" --simulate="$SIZE"
for name in 0 1 2; do cp model "$MNT/$name"; done
PYTHONPATH="$TESTS/cold" python3 - "$MNT" << 'P'
import collections, errno, json, multiprocessing, os, random, signal, sys, time
from control import pack, pack_by_ans, wake
multiprocessing.set_start_method("fork")  # Python 3.14 would start the script anew, which comes by stdin
mount = sys.argv[1]
good = open("model", "rb").read()

def work(path, seed, ended):
    """Packs, wakes and writes the same bytes; an error is the kernel's own EIO at the instant of the kill."""
    rng = random.Random(seed)
    while not ended.is_set():
        try:
            rng.choice([pack, pack_by_ans, wake])(path)
            if rng.random() < 0.2:
                at = rng.randrange(len(good) - 5000)
                fd = os.open(path, os.O_WRONLY)
                try: os.pwrite(fd, good[at:at + 5000], at)
                finally: os.close(fd)
        except OSError as error:
            if error.errno != errno.EIO: raise

def ask(question):
    for _ in range(3):
        try: return question()
        except OSError as error:
            if error.errno != errno.EIO: raise
    return question()

def stats(): return ask(lambda: json.loads(os.getxattr(mount, "user.gmemfs.stats")))

rng = random.Random(20261130)
seen = collections.Counter()
for number in range(12):
    ended = multiprocessing.Event()
    workers = [multiprocessing.Process(target=work, args=(f"{mount}/{index}", rng.random(), ended)) for index in range(3)]
    for worker in workers: worker.start()
    pid = stats()["server_pid"]
    time.sleep(rng.uniform(0.02, 0.4))
    os.kill(pid, signal.SIGKILL)
    while stats()["server_pid"] == pid: pass
    ended.set()
    for worker in workers: worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 3
    held = 0
    for index in range(3):
        path = f"{mount}/{index}"
        where = json.loads(os.getxattr(path, "user.gmemfs.residence"))["where"]
        seen[where] += 1
        assert open(path, "rb").read() == good, (number, index, where)
        held += os.stat(path).st_blocks * 512
    assert stats()["used"] == held, (number, stats()["used"], held)
assert seen["packed"] and seen["device"], seen
P
"$GMEMFS" umount "$MNT"
