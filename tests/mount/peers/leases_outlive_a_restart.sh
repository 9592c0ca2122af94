# After a restart, on purpose or by SIGKILL, the server knows who holds what: nothing that a peer writes is undone, nothing is given
# twice, and who holds a lease can release it.
# mount: none
# timeout: 180
needs_linux_that_asks_again
for way in restart kill; do
    "$GMEMFS" mount "$MNT" --simulate="$SIZE" --ecc=on --scrub-every=1 --verify-reads
    peer_python - "$MNT" "$way" "$GMEMFS" <<'EOF2'
from lives import *
import select, subprocess
mount, way, program = sys.argv[1:]
path = mount + "/f"
open(path, "wb").write(b"A" * (4 << 20))
os.truncate(mount + "/g", 0) if os.path.exists(mount + "/g") else open(mount + "/g", "wb").write(b"B" * (2 << 20))
os.sync()
f = gmemfs.open(path)
m = f.map()
alone = gmemfs.open(mount + "/g").map(exclusive=True)
server = stats(mount)["server_pid"]
if way == "restart":
    subprocess.run([program, "restart", mount], check=True, stdout=subprocess.DEVNULL)
else:
    ended = os.pidfd_open(server)
    os.kill(server, signal.SIGKILL)
    select.select([ended], [], [])
assert stats(mount)["server_pid"] != server
assert stats(mount)["leases"] == 2, stats(mount)["leases"]
check_writes_stay(mount, path, f, m)
data = open(path, "rb").read()
assert data[9000:9006] == b"STEP 2" and data[1 << 20:2 << 20] == b"C" * (1 << 20)
# Another one maps and unmaps; and nobody gets a file that somebody has alone.
subprocess.run([sys.executable, "-c", """if 1:
    import gmemfs, sys
    mount = sys.argv[1]
    m = gmemfs.open(mount + "/f").map()
    m.unmap()
    for options in ({}, {"exclusive": True}):
        try:
            gmemfs.open(mount + "/g").map(**options)
            sys.exit("given twice")
        except OSError as error:
            assert error.errno == 16, error
    try:
        gmemfs.open(mount + "/f").map(exclusive=True)
        sys.exit("given alone beside another one")
    except OSError as error:
        assert error.errno == 16, error
""", mount], check=True)
poke(m.address + 9000, b"STEP 3")
wait_for_scrub(mount)
assert peek(m.address + 9000, 6) == b"STEP 3" and state(path) == "open"
alone.unmap()
m.unmap()
wait_for_leases(mount, 0)
assert state(path) == "current", state(path)
gmemfs.open(mount + "/g").map(exclusive=True).unmap()
EOF2
    is "$(od -A n -c -j 9000 -N 6 "$MNT/f" | tr -d ' ')" STEP3
    "$GMEMFS" verify "$MNT/f"
    "$GMEMFS" umount "$MNT"
done
