# What a file holds above its size is a granule and a sixteenth of it at the most, however little was free when it was written; so
# a device holds a file of four fifths of it. What was written is there.
# size: 160M
# timeout: 240
python3 - "$MNT" <<'PYTHON'
import os, sys
mnt = sys.argv[1]
MIB = 1 << 20


def write(path, mib):
    with open(path, "wb", buffering=0) as file:
        for number in range(mib):
            file.write(bytes([number % 251]) * MIB)


def check(path, mib):
    status = os.stat(path)
    held = status.st_blocks * 512
    assert held <= status.st_size + status.st_size // 16 + 2 * MIB, (path, mib, held / MIB)
    with open(path, "rb") as file:
        for number in range(mib):
            file.seek(number * MIB + 17)
            assert file.read(3) == bytes([number % 251]) * 3, (path, number)


for taken in (0, 30, 60, 90, 110, 130):
    with open(f"{mnt}/taken", "wb") as file:
        file.truncate(taken * MIB)
    for mib in (1, 3, 5, 9, 17, 25, 33, 50, 65, 90, 128):
        if taken + mib + mib // 16 + 4 > 160:
            continue
        write(f"{mnt}/f", mib)
        check(f"{mnt}/f", mib)
        with open(f"{mnt}/f", "ab", buffering=0) as file: # and when it is longer, or shorter
            file.write(bytes([mib % 251]) * MIB)
        check(f"{mnt}/f", mib + 1)
        os.truncate(f"{mnt}/f", mib * MIB // 2 + 1)
        with open(f"{mnt}/f", "rb"):
            pass
        check(f"{mnt}/f", mib // 2)
        os.unlink(f"{mnt}/f")
PYTHON
