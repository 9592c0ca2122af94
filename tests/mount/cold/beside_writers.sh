# While a file is packed again and again, what writers have written stays, and they never see an error.
# options: --ecc=on
# timeout: 120
weights 8388608 > model
cp model "$MNT/model"
PYTHONPATH="$TESTS/cold" python3 - "$MNT/model" << 'P'
import multiprocessing, os, random, sys
from control import pack
multiprocessing.set_start_method("fork")  # Python 3.14 would start the script anew, which comes by stdin
path, SHARE = sys.argv[1], 2 << 20

def write(index, ended, counts):
    """Each has a quarter of the file to itself."""
    rng, fd = random.Random(index), os.open(path, os.O_RDWR)
    start = index * SHARE
    good = open("model", "rb").read()
    mine = bytearray(good[start:start + SHARE])
    while not ended.is_set():
        at, size = rng.randrange(0, SHARE - 70000, 2), rng.choice([1, 100, 4096, 70000])
        source = rng.randrange(0, len(good) - size, 2)  # of the same kind, so that it can be packed again
        mine[at:at + size] = good[source:source + size]
        assert os.pwrite(fd, mine[at:at + size], start + at) == size
        if os.pread(fd, SHARE, start) != mine:
            sys.exit(f"writer {index}: what was written isn't there")
        counts[index] += 1

ended = multiprocessing.Event()
counts = multiprocessing.Array("Q", 4)
writers = [multiprocessing.Process(target=write, args=(index, ended, counts)) for index in range(4)]
for writer in writers: writer.start()
packed = 0
while packed < 20 or (min(counts) < 20 and all(writer.is_alive() for writer in writers)):
    packed += pack(path)[2]
ended.set()
for writer in writers: writer.join()
assert [writer.exitcode for writer in writers] == [0] * 4, counts[:]
P
"$GMEMFS" verify "$MNT/model"
