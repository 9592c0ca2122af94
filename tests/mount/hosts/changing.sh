# A file that changes at the source while it is pulled is fetched once more; one that goes on changing is ESTALE, and the old
# file stays.
# timeout: 120
here_as_host
mkdir there
random_bytes 30000000 > there/file
echo old > "$MNT/file"
python3 - "$GMEMFS" "$RSH" there/file "$MNT/file" << 'END'
import hashlib, os, subprocess, sys, threading
gmemfs, rsh, there, here = sys.argv[1:]
pull = [gmemfs, "pull", "-e", rsh, "--remote-program", gmemfs, "--json", "host:" + os.path.abspath(there), here]

# Always: a writer that never ends.
done, writes = threading.Event(), 0
def write():
    global writes
    with open(there, "r+b", buffering=0) as file:
        while not done.is_set():
            os.pwrite(file.fileno(), os.urandom(4096), writes * 4096 % 30000000)
            writes += 1
writer = threading.Thread(target=write)
writer.start()
ended = subprocess.run(pull, capture_output=True, text=True)
done.set()
writer.join()
assert writes > 10, writes
assert ended.returncode == 1 and "it changes there while it is read, twice by now (Stale file handle)" in ended.stderr, ended
assert open(here, "rb").read() == b"old\n"

# Then no more.
ended = subprocess.run(pull, capture_output=True, text=True)
assert ended.returncode == 0, ended
assert hashlib.sha256(open(here, "rb").read()).digest() == hashlib.sha256(open(there, "rb").read()).digest()

# Once: the source of a slow channel becomes shorter when its first bytes are under way. What comes then is the shorter file.
slow = os.path.abspath("slow")
with open(slow, "w") as file:
    file.write(f"""#!/usr/bin/env python3
import os, subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=0, stdout=subprocess.PIPE)
passed = 0
while data := os.read(child.stdout.fileno(), 1 << 16):
    os.write(1, data)
    before, passed = passed, passed + len(data)
    if before < 8000000 <= passed: os.truncate({os.path.abspath(there)!r}, 20000000)
sys.exit(child.wait())
""")
os.chmod(slow, 0o755)
pull[3] = slow
ended = subprocess.run(pull, capture_output=True, text=True)
assert ended.returncode == 0, ended
assert os.path.getsize(here) == 20000000
assert open(here, "rb").read() == open(there, "rb").read()
END
is "$(find "$MNT" -name '.gmemfs*' -not -name .gmemfs.socket | wc -l)" 0
