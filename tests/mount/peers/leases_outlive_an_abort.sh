# `umount -f` of a busy mount aborts its connection, and the server mounts again: who had a file mapped has it yet, and nothing is undone or
# given twice. The same where the server dies between the two, and where it is restarted afterwards.
# mount: none
# timeout: 180
needs_root
needs_linux_that_asks_again
for way in abort abort_and_kill abort_and_restart; do
    "$GMEMFS" mount "$MNT" --simulate="$SIZE" --ecc=on --scrub-every=1 --verify-reads
    peer_python - "$MNT" "$way" "$GMEMFS" <<'EOF2'
from lives import *
import subprocess, time
mount, way, program = sys.argv[1:]
path = mount + "/f"
open(path, "wb").write(b"A" * (4 << 20))
open(mount + "/g", "wb").write(b"B" * (2 << 20))
os.sync()
m = gmemfs.open(path).map()
alone = gmemfs.open(mount + "/g").map(exclusive=True)
before = stats(mount)
held = open(path, "rb")
assert subprocess.run(["umount", "-f", mount], stderr=subprocess.DEVNULL).returncode != 0
if way == "abort_and_kill":
    os.kill(before["server_pid"], signal.SIGKILL)
try:
    held.close()
except OSError:
    pass

def back():
    try:
        return os.path.exists(path) and stats(mount)["broker"] == "listens"
    except OSError:
        return False

end = time.monotonic() + 30
while not back():
    assert time.monotonic() < end, "it isn't mounted again"
    time.sleep(0.05)
if way == "abort_and_restart":
    subprocess.run([program, "restart", mount], check=True, stdout=subprocess.DEVNULL)
assert (stats(mount)["server_pid"] == before["server_pid"]) == (way == "abort")
assert stats(mount)["leases"] == 2, stats(mount)["leases"]
check_writes_stay(mount, path, gmemfs.open(path), m)
subprocess.run([sys.executable, "-c", """if 1:
    import gmemfs, sys
    mount = sys.argv[1]
    gmemfs.open(mount + "/f").map().unmap()
    for name, options in (("g", {}), ("g", {"exclusive": True}), ("f", {"exclusive": True})):
        try:
            gmemfs.open(mount + "/" + name).map(**options)
            sys.exit(name + " was given twice")
        except OSError as error:
            assert error.errno == 16, error
""", mount], check=True)
EOF2
    for _ in $(seq 200); do [ "$("$GMEMFS" stat --json "$MNT" | json 'd["leases"]')" = 0 ] && break; sleep 0.05; done
    is "$("$GMEMFS" stat --json "$MNT" | json 'd["leases"]')" 0 # with the process
    is "$(od -A n -c -j 9000 -N 6 "$MNT/f" | tr -d ' ')" STEP2
    "$GMEMFS" verify "$MNT/f"
    "$GMEMFS" umount "$MNT"
done
