# The memory of an O_TMPFILE that nobody named comes back with its last descriptor.
used() { df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' '; }
python3 -c 'import os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR)
os.ftruncate(fd, 8 << 20)
used = os.statvfs(sys.argv[1])
assert (used.f_blocks - used.f_bfree) * used.f_frsize == 8 << 20' "$MNT"
is "$(used)" 0
