# ^C is heard at once while the names of a large tree are listed and looked at, and while they are written: what save opens after
# the signal is little beside what it had to open, and nothing is left. So is SIGTERM.
# timeout: 180
count=20000
python3 - "$MNT" "$count" << 'PYTHON'
import os, sys
for number in range(int(sys.argv[2])):
    os.mknod(f"{sys.argv[1]}/{number}", 0o100644)
PYTHON
mkdir out
python3 - "$GMEMFS" "$MNT" out/snapshot "$count" << 'PYTHON'
import json, os, signal, subprocess, sys, time
gmemfs, mount, snapshot, count = *sys.argv[1:4], int(sys.argv[4])
save = [gmemfs, "save", mount, snapshot]
def opened():
    return json.loads(os.getxattr(mount, "user.gmemfs.stats"))["requests"].get("open", 0)
def ended(share):  # status, seconds and opens after a signal that comes when this share of all was opened
    before = opened()
    process = subprocess.Popen(save, stderr=subprocess.DEVNULL)
    while opened() - before < share * whole:
        assert process.poll() is None, f"it has ended before {share} of {whole}"
    at, began = opened(), time.monotonic()
    process.send_signal(signal.SIGTERM if share == 0.5 else signal.SIGINT)
    status = process.wait()
    return status, time.monotonic() - began, opened() - at
begun = opened()
assert subprocess.run(save).returncode == 0
whole = opened() - begun
assert whole >= count, whole
os.unlink(snapshot)
for share in 0.01, 0.2, 0.5, 0.8:
    status, seconds, more = ended(share)
    print(f"{share}: {status} after {seconds:.3f} s and {more} of {whole} files")
    assert status == 130 and seconds < 1.5 and more < whole / 20
    assert os.listdir("out") == []
PYTHON
