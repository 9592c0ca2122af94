# The next server knows who may have a file mapped, too.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
weights 8388608 > model
for name in leased handle; do cp model "$MNT/$name"; done
xattr user.fabric_handle "$MNT/handle" > handle
peer_python - "$MNT" << 'P'
import os, signal, subprocess, sys
import gmemfs
from lives import peek, stats, wait_for_leases
mount = sys.argv[1]
good = open("model", "rb").read()
mapping = gmemfs.open(f"{mount}/leased").map(read_only=True)
pid = stats(mount)["server_pid"]
os.kill(pid, signal.SIGKILL)
while stats(mount)["server_pid"] == pid: pass
for name, why in ("leased", "a peer has it mapped"), ("handle", "its fabric handle was read"):
    done = subprocess.run([os.environ["GMEMFS"], "pack", f"{mount}/{name}"], capture_output=True, text=True)
    assert done.returncode == 1 and why in done.stderr, (name, done)
assert peek(mapping.address, len(good)) == good
mapping.unmap()
wait_for_leases(mount, 0)
P
"$GMEMFS" pack "$MNT/leased"
is "$(where "$MNT/leased")" packed
cmp model "$MNT/leased"
cmp model "$MNT/handle"
"$GMEMFS" umount "$MNT"
