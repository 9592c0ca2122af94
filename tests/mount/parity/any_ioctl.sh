# options: --ecc=on
# Any bytes may come by ioctl: ranges beyond the file's end, numbers that wrap around, requests that nobody knows.
random_bytes 3000000 > good
cp good "$MNT/f"
sync "$MNT/f"
python3 - "$MNT" << 'PYTHON'
import errno, fcntl, os, random, struct, sys

SIZE, MOST = 576, 2**64 - 1
VERIFY, SCRUB, SEAL, INJECT, PACK, WAKE = 1, 2, 3, 4, 5, 6

def ask(path, number, offset=0, length=0, bits=0, seed=0, size=SIZE):
    """What came back: blocks, wrong, repaired, left wrong; or the error."""
    message = bytearray(struct.pack("4Q", offset, length, bits, seed) + bytes(size))[:size]
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, 3 << 30 | size << 16 | ord("g") << 8 | number, message)
        return struct.unpack_from("4Q", message, 32)
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.close(fd)

def check(told, wanted):
    assert told == wanted, (told, wanted)

f = sys.argv[1] + "/f"
for number in VERIFY, SCRUB:
    check(ask(f, number, 0, MOST), (23, 0, 0, 0))
    check(ask(f, number, 131071, 2), (2, 0, 0, 0))
    check(ask(f, number, 2999999, MOST), (1, 0, 0, 0))
    for offset, length in ((0, 0), (3000000, 1), (MOST, MOST), (MOST, 0), (2**63, 2**63)):
        check(ask(f, number, offset, length), (0, 0, 0, 0))
check(ask(f, SEAL, MOST, MOST), (0, 0, 0, 0))
check(ask(f, INJECT, 0, MOST, 1), "EPERM")
for number in 0, 5, 255:
    check(ask(f, number), "ENOTTY")
for size in 1, 8, SIZE - 8, SIZE + 8:
    check(ask(f, VERIFY, size=size), "ENOTTY")
check(ask(sys.argv[1], VERIFY, 0, MOST), "ENOTTY")
for number in PACK, WAKE:
    for size in 1, 16, 32, SIZE:
        check(ask(f, number, size=size), "ENOTTY")
    check(ask(sys.argv[1], number, size=24), "ENOTTY")
source = random.Random(1)
for _ in range(300):
    ask(f, source.choice((VERIFY, SCRUB, SEAL, INJECT)), *(source.getrandbits(source.randint(1, 64)) for _ in range(4)))
PYTHON
cmp good "$MNT/f"
"$GMEMFS" verify "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" current
