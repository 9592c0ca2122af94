# With --page-cache no write(2) is lost beside stores into other bytes of the same page by a shared mapping, and no store is.
# options: --page-cache
# posix
python3 - "$MNT/f" <<'PYTHON'
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 4096)
memory = mmap.mmap(fd, 4096)
child = os.fork()
if child == 0:
    for number in range(1, 10 ** 9):
        memory[0] = number & 255
        assert memory[0] == number & 255
        if number % 50 == 0:
            memory.flush()
end = time.monotonic() + 5
try:
    for number in range(20000):
        want = number.to_bytes(8, "little")
        os.pwrite(fd, want, 512)
        assert os.pread(fd, 8, 512) == want, f"write {number} is lost"
        assert memory[512:520] == want, f"write {number} doesn't show in the mapping"
        if time.monotonic() > end:
            break
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "a store was lost"
finally:
    os.kill(child, 9)
PYTHON
random_bytes 3M > source
cp source "$MNT/copy"
cmp source "$MNT/copy"
cat source source > "$MNT/f"
is "$(size_of "$MNT/f")" 6291456
