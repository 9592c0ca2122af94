# An unlinked file that a process holds by O_PATH, and a removed working directory, make nobody wait for their forget.
mkdir "$MNT/gone"
truncate -s 4M "$MNT/held"
python3 - "$MNT" << 'EOF'
import os, sys, time
mount = sys.argv[1]
held = os.open(f"{mount}/held", os.O_PATH)
os.unlink(f"{mount}/held")
os.chdir(f"{mount}/gone")
os.rmdir(f"{mount}/gone")
os.statvfs(mount)  # may wait once
start = time.monotonic()
for _ in range(20):
    os.statvfs(mount)
took = time.monotonic() - start
assert took < 1, f"20 statvfs took {took:.2f} s"
EOF
