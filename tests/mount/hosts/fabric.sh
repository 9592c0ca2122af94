# Two mounts whose devices are of one domain: pull copies device to device by the extents' fabric handles; where it can't, one
# line says why, and ssh does it.
# mount: none
# timeout: 120
here_as_host
export GMEMFS_SIM_MACHINE=hosts-fabric-$$ GMEMFS_SIM_DEVICES=2x256M
there=$MNT.there
mkdir "$there"
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on
"$GMEMFS" mount "$there" --simulate --device all --ecc=on
trap '"$GMEMFS" umount "$there"; rmdir "$there"' EXIT
random_bytes 50000000 > "$there/file"
pulled=$(pull --json host:"$there/file" "$MNT/file" | json 'd["transport"], d["bytes"]')
is "$pulled" "('fabric', 50000000)"
cmp "$there/file" "$MNT/file"
is "$(xattr user.gmemfs.ecc "$there/file")" current # a lease to read leaves it
is "$(xattr user.gmemfs.ecc "$MNT/file")" current
"$GMEMFS" verify "$MNT/file"

# A file over two devices, to one that is spread, too; and what differs alone.
mkdir "$there/wide" "$MNT/wide"
setfattr -n user.gmemfs.device -v spread "$there/wide"
setfattr -n user.gmemfs.device -v spread "$MNT/wide"
random_bytes 60000000 > "$there/wide/file"
is "$(pull -r --json --via fabric host:"$there/wide" "$MNT/wide" | json 'd["transport"], d["bytes"]')" "('fabric', 60000000)"
cmp "$there/wide/file" "$MNT/wide/file"
printf x | dd of="$there/wide/file" bs=1 seek=40000000 conv=notrunc status=none
is "$(pull --resume --json host:"$there/wide/file" "$MNT/wide/file" | json 'd["transport"], d["bytes"]')" "('fabric', 16777216)"
cmp "$there/wide/file" "$MNT/wide/file"
"$GMEMFS" verify "$MNT/wide/file"

# Where it can't be: the target is no mount, the source is none (which nobody wonders about), or its mount has no such handles.
quiet pull host:"$there/file" plain
cmp "$there/file" plain
quiet pull host:"$PWD/plain" "$MNT/again"
cmp plain "$MNT/again"
refuses "fabric can't be used for $MNT/again: host: share: the file lies in no mount" pull --via fabric host:"$PWD/plain" "$MNT/again"
cmp plain "$MNT/again"
"$GMEMFS" umount "$there"
"$GMEMFS" mount "$there" --simulate --device all --ecc=on --handles=fd
random_bytes 20000000 > "$there/file"
said=$(pull host:"$there/file" "$MNT/file" 2>&1)
[[ $said == "gmemfs: fabric can't be used, going on by ssh: "* ]] || { echo "$said"; exit 1; }
is "$(wc -l <<< "$said")" 1
cmp "$there/file" "$MNT/file"
"$GMEMFS" umount "$there"

# Another machine of the same domain, which the simulator's machines of one host are.
GMEMFS_SIM_MACHINE=hosts-other-$$ "$GMEMFS" mount "$there" --simulate
random_bytes 20000000 > "$there/file"
is "$(pull --json host:"$there/file" "$MNT/file" | json 'd["transport"]')" fabric
cmp "$there/file" "$MNT/file"

# A source that is killed while its memory is copied: an error, and nothing under the name.
python3 - "$GMEMFS" "$there/file" "$MNT/killed" << 'END'
import os, signal, subprocess, sys
gmemfs, there, here = sys.argv[1:]
script = os.path.abspath("dies")
# The channel ends when the receiver has been told the handles: they are in a frame of kind 7.
with open(script, "w") as file:
    file.write("""#!/usr/bin/env python3
import os, struct, subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdin=0, stdout=subprocess.PIPE)
while head := child.stdout.read(5):
    length, kind = struct.unpack("<IB", head)
    if kind == 7:
        child.kill()
        child.wait()
    body = child.stdout.read(length) if kind != 7 else b""
    if kind == 7: sys.exit(9)
    os.write(1, head + body)
""")
os.chmod(script, 0o755)
ended = subprocess.run([gmemfs, "pull", "--via", "fabric", "-e", script, "--remote-program", gmemfs, "h:" + there, here],
                       capture_output=True, text=True, timeout=60)
assert ended.returncode == 1 and "ended with status 9" in ended.stderr, ended
assert not os.path.exists(here)
END
"$GMEMFS" umount "$MNT"
