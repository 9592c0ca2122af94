# copy_file_range, mappings, holes, and a device that is full, by a ring.
# rings
random_bytes 16M > source
cp source "$MNT/a"
cp --reflink=auto "$MNT/a" "$MNT/b"
cmp source "$MNT/b"
python3 - "$MNT/a" "$MNT/c" <<'P'
import errno, mmap, os, sys
source, target = os.open(sys.argv[1], os.O_RDWR), os.open(sys.argv[2], os.O_RDWR | os.O_CREAT)
assert os.copy_file_range(source, target, 5 << 20, 12345, 999) == 5 << 20
assert os.pread(source, 5 << 20, 12345) == os.pread(target, 5 << 20, 999)
mapped = mmap.mmap(source, 16 << 20)
mapped[1000:1004] = b"text"
mapped.flush()
assert os.pread(source, 4, 1000) == b"text"
assert os.lseek(source, 0, os.SEEK_HOLE) == 16 << 20
try:
    os.ftruncate(target, 1 << 40)
    sys.exit("a terabyte was had")
except OSError as error:
    assert error.errno in (errno.ENOSPC, errno.EFBIG), error
P
is "$(errno_of "open('$MNT/full', 'wb', 0).write(bytes(1 << 20) * 300)")" OK # a short write
is "$(errno_of "open('$MNT/full', 'ab', 0).write(bytes(64 << 20))")" ENOSPC
rm "$MNT/full"
cp source "$MNT/again" # the room is there again: forgets come by another way, and are served
cmp source "$MNT/again"
