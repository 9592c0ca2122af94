# A file that a peer has mapped is never packed, nor one whose handle was read: EBUSY, and why. A peer that comes wakes it. After
# the last lease's end it may be packed again.
weights 8388608 > model
for name in leased handle; do cp model "$MNT/$name"; done
"$GMEMFS" pack -q "$MNT/leased" "$MNT/handle"
peer_python - "$MNT" << 'P'
import os, subprocess, sys
import gmemfs
from lives import peek
mount = sys.argv[1]
good = open("model", "rb").read()
def pack(name):
    done = subprocess.run([os.environ["GMEMFS"], "pack", f"{mount}/{name}"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
def residence(name): return os.getxattr(f"{mount}/{name}", "user.gmemfs.residence").decode()
one = gmemfs.open(f"{mount}/leased").map(read_only=True)
assert peek(one.address, len(good)) == good
assert residence("leased") == '{"busy":"leased","where":"device","written":false}', residence("leased")
busy = f"gmemfs: {mount}/leased: can't be packed: a peer has it mapped: it can be packed when all peers have unmapped it\n"
assert pack("leased") == (1, busy), pack("leased")
two = gmemfs.open(f"{mount}/leased").map(read_only=True)
one.unmap()
assert pack("leased") == (1, busy), pack("leased")
with gmemfs.open(f"{mount}/leased").map():
    assert residence("leased") == '{"busy":"leased","where":"device","written":true}', residence("leased")
two.unmap()
P
no_peers_left
is "$("$GMEMFS" pack "$MNT/leased")" "$MNT/leased: 8 MiB -> 6 MiB (1.33)"
cmp model "$MNT/leased"
# Asked for its handle it wakes, and stays awake: nobody can know who has mapped it by that.
is "$(where "$MNT/handle")" packed
xattr user.fabric_handle "$MNT/handle" > first
is "$(size_of first)" 64
is "$(where "$MNT/handle")" device
is "$(stat -c %b "$MNT/handle")" 16384
cmp model "$MNT/handle"
refuses "its fabric handle was read, so a process may have it mapped" "$GMEMFS" pack "$MNT/handle"
is "$(xattr user.gmemfs.residence "$MNT/handle")" '{"busy":"exported","where":"device"}'
says '^residence  *device, its handle was read' "$GMEMFS" stat "$MNT/handle"
xattr user.fabric_handle "$MNT/handle" | cmp - first
# A copy may.
cp "$MNT/handle" "$MNT/copy"
"$GMEMFS" pack "$MNT/copy"
is "$(where "$MNT/copy")" packed
