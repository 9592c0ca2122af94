# Reads of a packed file, of every kind, and at odd places: the right bytes, and it stays packed.
weights 9000001 --mixed > model
cp model "$MNT/model"
"$GMEMFS" pack "$MNT/model"
python3 - "$MNT/model" << 'P'
import mmap, os, random, sys
good = open("model", "rb").read()
fd = os.open(sys.argv[1], os.O_RDONLY)
rng = random.Random(20261130)
edges = [0, len(good)] + [at << 17 for at in range(70)] + [at << 21 for at in range(5)]
for _ in range(300):
    offset = max(0, rng.choice(edges + [rng.randrange(len(good))] * 50) + rng.randrange(-9, 10))
    length = rng.choice([1, 2, 7, 512, 4096, 131072, 1 << 20, 5 << 20]) + rng.randrange(2)
    assert os.pread(fd, length, offset) == good[offset:offset + length], (offset, length)
assert os.pread(fd, 10, len(good)) == b"" and os.pread(fd, 10, len(good) + 5000) == b""
with mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapping:
    assert mapping[:] == good
direct = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, 3 << 20)
for at in range(0, len(good), len(buffer)):
    count = os.preadv(direct, [buffer], at)
    assert buffer[:count] == good[at:at + len(buffer)], at
pipe_out, pipe_in = os.pipe()
assert os.splice(fd, pipe_in, 4096, offset_src=1000) == 4096 and os.read(pipe_out, 5000) == good[1000:5096]
P
dd if="$MNT/model" bs=1237 skip=3001 count=500 status=none | cmp - <(dd if=model bs=1237 skip=3001 count=500 status=none)
tail -c 77777 "$MNT/model" | cmp - <(tail -c 77777 model)
cp --reflink=never "$MNT/model" "$MNT/copy"
cmp model "$MNT/copy"
is "$(errno_of "os.copy_file_range(os.open('$MNT/model', 0), os.open('$MNT/part', os.O_WRONLY | os.O_CREAT), 3000000, 1999999, 5)")" OK
cmp <(tail -c +6 "$MNT/part") <(tail -c +2000000 model | head -c 3000000)
is "$(where "$MNT/model")" packed
# gmemfs cp maps what it copies.
"$GMEMFS" cp "$MNT/model" copy
cmp model copy
