# With -o io_uring every request but forgets and the greeting comes by a ring; pieces of all sizes arrive as they were sent.
# rings
is "$("$GMEMFS" stat --json "$MNT" | json 'd["transport"]')" io_uring
before=$(ring_requests)
random_bytes 20M > source
dd if=source of="$MNT/f" bs=1M status=none
dd if="$MNT/f" of=back bs=1M status=none
cmp source back
[ "$(($(ring_requests) - before))" -ge 40 ] # 20 writes, 20 reads
for size in 1 7 4095 4096 4097 65537 1048575 1048577; do
    dd if=source of="$MNT/pieces" bs="$size" count=9 conv=notrunc status=none
    dd if="$MNT/pieces" of=back bs="$size" count=9 status=none
    cmp -n $((9 * size)) source back
done
# Pieces that begin and end in the middle of a page.
python3 - "$MNT/odd" <<'P'
import os, random, sys
chance = random.Random(1)
copy = bytearray(4 << 20)
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.truncate(file, len(copy))
for _ in range(500):
    offset = chance.randrange(len(copy))
    piece = chance.randbytes(min(chance.choice((1, 3, 500, 4096, 70001, 1 << 20)), len(copy) - offset))
    assert os.pwrite(file, piece, offset) == len(piece)
    copy[offset:offset + len(piece)] = piece
    offset, size = chance.randrange(len(copy)), chance.choice((1, 5, 4097, 300000, 3 << 20))
    assert os.pread(file, size, offset) == copy[offset:offset + size], (offset, size)
assert os.pread(file, 1 << 20, len(copy)) == b""
P
is "$("$GMEMFS" stat --json "$MNT" | json 'd["errors"]')" 0
