# Publishing: a new file renamed over the old one. Readers and peers at full speed see one or the other, whole, and never an
# older one again; who has the old one keeps it.
# timeout: 120
cat > publish.py << 'P'
import ctypes, os, subprocess, sys, time
import gmemfs
SIZE, VERSIONS = 3 << 20, 40
role, path = sys.argv[1:3]

def check(data, last, what):
    version = data[0]
    assert data.count(version) == len(data) == SIZE, f"{what}: a torn file"
    assert version >= last, f"{what}: {version} after {last}"
    return version

def read(path):
    with open(path, "rb", buffering=0) as file: return file.read()

def mapped(path):
    mapping = gmemfs.open(path).map(read_only=True)
    address = mapping.array((SIZE,), "uint8").address & ~(1 << 62)  # the simulator's addresses; without it the host's
    return mapping, lambda: ctypes.string_at(address, SIZE)

if role == "publish":
    with open(path, "wb") as file: file.write(bytes([1]) * SIZE)
    readers = [subprocess.Popen([sys.executable, __file__, kind, path]) for kind in ("reader", "reader", "peer", "peer")]
    kept, old = mapped(path)
    generation = os.getxattr(path, "user.gmemfs.generation")
    for version in range(2, VERSIONS + 1):
        with open(path + ".new", "wb") as file: file.write(bytes([version]) * SIZE)
        os.rename(path + ".new", path)
        now = os.getxattr(path, "user.gmemfs.generation")
        assert now != generation, "a consumer can't tell"
        generation = now
        time.sleep(0.02)
    assert check(old(), 1, "the first") == 1
    assert [reader.wait() for reader in readers] == [0] * len(readers)
else:
    last = rounds = 0
    while last < VERSIONS:
        if role == "reader":
            last = check(read(path), last, "read")
        else:
            mapping, data = mapped(path)
            last = check(data(), last, "mapping")
            mapping.unmap()
        rounds += 1
    assert rounds >= 5, rounds
P
peer_python publish.py publish "$MNT/weights"
rm "$MNT/weights"
for _ in $(seq 50); do [ "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" = 0 ] && break; sleep 0.1; done
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"], d["leases"]')" "(0, 0)"
