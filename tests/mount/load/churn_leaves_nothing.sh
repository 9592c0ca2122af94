# Files, names, attributes and descriptors come and go, by 8 processes and by 64 jobs at once: the server's host memory
# stays bounded, and its counts return to their start. CHURN_SECONDS makes it longer than 8 s.
# options: --workers 8
# timeout: 4000
python3 - "$MNT" "$(server_pid)" "${CHURN_SECONDS:-8}" "$BUILD/bench/fuse_io" << 'EOF'
import json, os, pathlib, random, subprocess, sys, time
mount, pid, seconds, fuse_io = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]

def measure():
    """What must come back: device memory, files, descriptors; and host memory in KiB."""
    for _ in range(50):  # forgets come after unlink has returned
        stats = json.loads(os.getxattr(mount, "user.gmemfs.stats"))
        if stats["unlinked"] == 0:
            break
        time.sleep(0.1)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    return {"used": stats["used"], "files": stats["files"], "unlinked": stats["unlinked"],
            "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}, resident

def churn(seed, until):
    chance = random.Random(seed)
    folder = f"{mount}/{seed}"
    os.mkdir(folder)
    while time.monotonic() < until:
        for number in range(40):
            path = f"{folder}/{chance.randrange(20)}"
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            os.pwrite(fd, os.urandom(chance.choice((10, 5000, 70_000, 700_000))), chance.randrange(100_000))
            os.setxattr(path, "user.note", os.urandom(chance.randrange(2000)))
            if chance.random() < 0.3:
                os.ftruncate(fd, chance.randrange(3 << 20))
            if chance.random() < 0.2:
                os.getxattr(path, "user.fabric_handle")
            os.close(fd)
            if chance.random() < 0.5:
                os.rename(path, f"{folder}/{chance.randrange(20)}")
        os.listdir(folder)
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
    os.rmdir(folder)

def run(count, duration):
    until = time.monotonic() + duration
    children = []
    for seed in range(count):
        children.append(os.fork())
        if children[-1] == 0:
            churn(seed, until)
            os._exit(0)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0

def jobs():
    with open(f"{mount}/jobs", "wb") as file:
        file.truncate(64 << 20)
    for direction in ("write", "read"):
        subprocess.run([fuse_io, direction, "--jobs", "64", "--size", str(1 << 20), "--block", str(1 << 18),
                        f"{mount}/jobs"], check=True, stdout=subprocess.DEVNULL)
    os.unlink(f"{mount}/jobs")

run(8, 2)  # what is made once and kept: staging, arenas, the simulator's own tables
jobs()
before, resident_before = measure()
run(8, seconds)
jobs()
after, resident_after = measure()
print(before, resident_before, "KiB;", after, resident_after, "KiB")
assert before == after and after["used"] == 0 and after["files"] == 1, (before, after)
# AddressSanitizer keeps what is freed for a while.
assert os.environ.get("SANITIZE") or resident_after < resident_before + 16 * 1024, (resident_before, resident_after)
EOF
