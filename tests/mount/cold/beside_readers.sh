# While a file is packed and woken in turn, readers see its bytes, whatever way they read, and so does who asks for its digest.
# timeout: 120
weights 9000001 --mixed > model
cp model "$MNT/model"
PYTHONPATH="$TESTS/cold" python3 - "$MNT/model" << 'P'
import multiprocessing, os, random, sys
from control import pack, wake
multiprocessing.set_start_method("fork")  # Python 3.14 would start the script anew, which comes by stdin
path = sys.argv[1]
good = open("model", "rb").read()
digest = os.getxattr(path, "user.gmemfs.digest")

def read(index, ended, counts):
    rng, fd = random.Random(index), os.open(path, os.O_RDONLY | (os.O_DIRECT if index == 2 else 0))
    while not ended.is_set():
        offset, length = rng.randrange(len(good)), rng.choice([100, 4096, 300000, 3 << 20])
        if os.pread(fd, length, offset) != good[offset:offset + length]:
            sys.exit(f"reader {index}: wrong bytes at {offset}")
        if index == 0 and os.getxattr(path, "user.gmemfs.digest") != digest:
            sys.exit("another digest")
        counts[index] += 1

ended = multiprocessing.Event()
counts = multiprocessing.Array("Q", 4)
readers = [multiprocessing.Process(target=read, args=(index, ended, counts)) for index in range(4)]
for reader in readers: reader.start()
rounds = 0
while rounds < 25 or (min(counts) < 25 and all(reader.is_alive() for reader in readers)):
    assert pack(path)[2] is True
    assert wake(path)[2] is False
    rounds += 1
ended.set()
for reader in readers: reader.join()
assert [reader.exitcode for reader in readers] == [0] * 4, counts[:]
P
cmp model "$MNT/model"
