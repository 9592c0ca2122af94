# beside: stores through a shared mapping by one process, and writes beside them by another: none of both may be lost.
#
#   beside.py FILE SECONDS [--strictly]
#
# --strictly: a write shows in the mapping when it has returned, and what is stored into its bytes then is newer.
import mmap, os, random, signal, sys, time

PAGE, PAGES = 4096, 24
path, seconds, is_strict = sys.argv[1], float(sys.argv[2]), "--strictly" in sys.argv
seed = random.randrange(1 << 32)
print("seed", seed)
choose = random.Random(seed)


def store_for_ever(memory, pages, asks):
    """Into byte 0 of each page, which must show it at once."""
    number = 0
    while True:
        number += 1
        for page in range(pages):
            memory[page * PAGE] = number & 255
            assert memory[page * PAGE] == number & 255, f"store {number} is lost"
        if asks and number % asks == 0:
            memory.flush()


def beside_stores(pages, asks, act):
    """Calls act(fd, memory, round) while a child stores."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.ftruncate(fd, pages * PAGE)
    memory = mmap.mmap(fd, pages * PAGE)
    child = os.fork()
    if child == 0:
        store_for_ever(memory, pages, asks)
    end, rounds = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            act(fd, memory, rounds)
            rounds += 1
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the child has ended: it has lost a store"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(f"{pages} pages, flushed each {asks}: {rounds} rounds")
    os.close(fd)


def one_write(fd, memory, number):
    want = number.to_bytes(8, "little")
    os.pwrite(fd, want, 512)
    got = os.pread(fd, 8, 512)
    assert got == want, f"write {number} is lost: {got} in place of {want}"
    if is_strict:
        assert memory[512:520] == want, f"write {number} doesn't show in the mapping"


def write_then_store(fd, memory, number):
    os.pwrite(fd, bytes([number & 255]) * 16, 1000)
    memory[1000:1008] = want = bytes([number + 1 & 255]) * 8
    memory.flush()
    got = os.pread(fd, 16, 1000)
    assert got == want + bytes([number & 255]) * 8, f"what was stored after write {number} is lost: {got}"


state = {}  # what writes have put behind byte 0 of each page


def many_writes(fd, memory, number):
    page, count = choose.randrange(PAGES), choose.randint(1, 4)
    for target in range(page, min(page + count, PAGES)):  # never byte 0, which is the child's
        offset, size = choose.randint(1, 4000), choose.randint(1, 90)
        want = choose.randbytes(size)
        os.pwrite(fd, want, target * PAGE + offset)
        known = state.setdefault(target, bytearray(PAGE))
        known[offset:offset + size] = want
    got = os.pread(fd, PAGE, page * PAGE)
    assert got[1:] == state[page][1:], f"round {number}: page {page} has lost something"


for asks in 50, 1, 0:
    beside_stores(1, asks, one_write)
if is_strict:
    beside_stores(1, 50, write_then_store)
beside_stores(PAGES, 3, many_writes)
