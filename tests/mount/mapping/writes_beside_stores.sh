# As mounted by default no write(2) is lost beside stores into other bytes of the same page by a shared mapping, and no store is.
# timeout: 120
# posix
# Before 2026 Linux drops a page that was read meanwhile only some time after write(2) has returned.
strictly=$(python3 -c 'import os, re
release = tuple(map(int, re.findall(r"\d+", os.uname().release)[:3]))
print("--strictly" if release >= (7, 0) or (6, 18, 40) <= release < (6, 19) else "")')
python3 "$TESTS/mapping/beside.py" "$MNT/f" 2 $strictly
