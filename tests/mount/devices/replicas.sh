# Copies of a file on other devices: made at the last close, handed down, given to peers for reading, gone before anybody writes, and
# before anybody gets ENOSPC.
# mount: none
export GMEMFS_SIM_DEVICES=256M,256M,128M
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --allow-inject
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
mkdir "$MNT/models" "$MNT/others"
setfattr -n user.gmemfs.device -v 0 "$MNT/models"
setfattr -n user.gmemfs.device -v 1 "$MNT/others"
setfattr -n user.gmemfs.replicas -v 1-2 "$MNT/models"
is "$(xattr user.gmemfs.replicas "$MNT/models")" 1-2
for wrong in 3 1,1 some "" all,1; do fails setfattr -n user.gmemfs.replicas -v "$wrong" "$MNT/models"; done
random_bytes 20000000 > model
cp model "$MNT/models/m"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
is "$(used)" 64225280 # 20 MiB three times, and the parity of one
is "$(xattr user.allocation_size "$MNT/models/m")" 20971520
is "$("$GMEMFS" stat --json "$MNT/models/m" | json 'd["replicas"]')" 1-2
says "copies on      1-2" "$GMEMFS" stat "$MNT/models/m"
peer_python - "$MNT/models/m" "$PWD/model" << 'P'
import os, sys
import gmemfs
from lives import peek
path, source = sys.argv[1:]
data = open(source, "rb").read()
with gmemfs.open(path) as file:
    held = []
    for device in 0, 1, 2:
        mapping = file.map(device=device)
        assert mapping.device == device and mapping.read_only, (mapping.device, device)
        assert peek(mapping.address, len(data)) == data
        held.append(mapping)
    try:
        file.map(device=1, read_only=False)
        raise SystemExit("a copy was mapped for writing")
    except OSError as error:
        assert "reading alone" in str(error), error
    before = os.getxattr(path, "user.gmemfs.generation")
    with open(path, "r+b") as other:
        other.write(b"changed")
    assert os.getxattr(path, "user.gmemfs.generation") != before
    assert peek(held[0].address, 7) == b"changed"
    assert peek(held[1].address, 7) == data[:7]  # as it was, as long as it is mapped
    for mapping in held:
        mapping.unmap()
    with file.map(device=2) as mapping:
        assert mapping.device == 2
        assert peek(mapping.address, 7) == b"changed"
P
# A peer that writes, and its end.
peer_python - "$MNT/models/m" << 'P'
import os, sys
import gmemfs
from lives import poke
path = sys.argv[1]
with gmemfs.open(path) as file, file.map() as mapping:
    assert os.getxattr(path, "user.gmemfs.replicas") == b"none"
    poke(mapping.address, b"by-peer")
P
no_peers_left
true < "$MNT/models/m" # the last close
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
printf by-peer | dd of=model conv=notrunc status=none
cmp model "$MNT/models/m"
# What parity can't repair.
"$GMEMFS" inject "$MNT/models/m" --bits 400000 > said
"$GMEMFS" scrub "$MNT/models/m" > said
cmp model "$MNT/models/m"
is "$(xattr user.gmemfs.ecc "$MNT/models/m")" current
# Others need the memory.
truncate -s 225M "$MNT/others/large"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" none
cmp model "$MNT/models/m"
rm "$MNT/others/large"
# The next server makes them when they are asked for, and at the next close.
setfattr -n user.gmemfs.replicas -v all "$MNT/models/m"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
kill_server
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --allow-inject
is "$(xattr user.gmemfs.replicas "$MNT/models")" 1-2
cmp model "$MNT/models/m"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
# gmemfs mv takes along which devices have copies, but for the new one itself; a file over several devices has none.
mkdir "$MNT/wide"
setfattr -n user.gmemfs.device -v spread "$MNT/wide"
setfattr -n user.gmemfs.replicas -v all "$MNT/wide"
"$GMEMFS" mv "$MNT/models/m" "$MNT/others"
is "$(xattr user.gmemfs.replicas "$MNT/others/m")" 0,2
"$GMEMFS" mv "$MNT/others/m" "$MNT/wide"
cmp model "$MNT/wide/m"
is "$(xattr user.gmemfs.replicas "$MNT/wide/m")" none
"$GMEMFS" mv "$MNT/wide/m" "$MNT/models"
is "$(xattr user.gmemfs.replicas_wanted "$MNT/models/m")" all # what was asked for went along
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
setfattr -x user.gmemfs.replicas "$MNT/models/m"
fails xattr user.gmemfs.replicas "$MNT/models/m"
cmp model "$MNT/models/m"
setfattr -n user.gmemfs.replicas -v all "$MNT/models/m"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" 1-2
setfattr -n user.gmemfs.replicas -v none "$MNT/models/m"
is "$(xattr user.gmemfs.replicas "$MNT/models/m")" none
# Over several devices itself.
setfattr -n user.gmemfs.device -v spread "$MNT/models"
cp model "$MNT/models/spread"
is "$(xattr user.gmemfs.replicas "$MNT/models/spread")" none
fails setfattr -n user.gmemfs.replicas -v all "$MNT/models/spread"
rm -r "$MNT"/*
is "$(used)" 0
"$GMEMFS" umount "$MNT"
