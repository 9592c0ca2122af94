# A client that signals interrupt in the middle of its requests gets and puts what it would without them.
python3 - "$MNT/file" <<'PYTHON'
import os, signal, sys
caught = 0
def count(*_):
    global caught
    caught += 1
signal.signal(signal.SIGALRM, count)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
block = os.urandom(1 << 20)
with open(sys.argv[1], "w+b", buffering=0) as file:
    for index in range(48):
        at = index % 8 << 20
        if os.pwrite(file.fileno(), block, at) != len(block):
            sys.exit("a short write")
        if os.pread(file.fileno(), len(block), at) != block:
            sys.exit("other bytes")
        os.fsync(file.fileno())
signal.setitimer(signal.ITIMER_REAL, 0)
if caught < 10:
    sys.exit(f"only {caught} signals came")
PYTHON
if grep -E " (warning|error):" "$LOG"; then exit 1; fi
