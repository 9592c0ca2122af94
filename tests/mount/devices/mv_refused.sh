# gmemfs mv leaves the source as it was, and nothing of the target, where another process may write to the file, where the device is
# full, and where it is interrupted.
# mount: none
# timeout: 120
export GMEMFS_SIM_DEVICES=256M,64M
"$GMEMFS" mount "$MNT" --simulate --device all
devices=$("$GMEMFS" stat --json "$MNT" | json '" ".join(d["uuid"] for d in d["devices"])')
mkdir "$MNT/0" "$MNT/1"
setfattr -n user.gmemfs.device -v "${devices% *}" "$MNT/0"
setfattr -n user.gmemfs.device -v "${devices#* }" "$MNT/1"
random_bytes 5000000 > noise
cp noise "$MNT/0/file"

# A peer that may write; one that reads doesn't mind.
peer_python - "$GMEMFS" "$MNT" << 'END'
import subprocess, sys
import gmemfs
command, mount = sys.argv[1:]
def move(): return subprocess.run([command, "mv", mount + "/0/file", mount + "/1"], capture_output=True, text=True)
with gmemfs.open(mount + "/0/file") as file, file.map():
    done = move()
    assert done.returncode == 1 and "/0/file: a peer may write to it" in done.stderr, done
    tree = subprocess.run([command, "mv", mount + "/0", mount + "/1"], capture_output=True, text=True)
    assert tree.returncode == 1 and "/0/file: a peer may write to it" in tree.stderr, tree
with gmemfs.open(mount + "/0/file") as file, file.map(read_only=True):
    done = move()
    assert done.returncode == 0, done
END
no_peers_left
cmp noise "$MNT/1/file"
nothing ls -A "$MNT/0"

# Whoever has the handle.
cp noise "$MNT/0/handle"
getfattr --only-values -n user.fabric_handle "$MNT/0/handle" > handle
refuses "/0/handle: its fabric handle was read" "$GMEMFS" mv "$MNT/0/handle" "$MNT/1"
cmp noise "$MNT/0/handle"
mv "$MNT/0/handle" "$MNT/1/handle" # a rename
cmp noise "$MNT/1/handle"
rm "$MNT/1/handle" "$MNT/1/file"

# No room: nothing of the tree is there, all of it is here.
mkdir "$MNT/0/tree"
cp noise "$MNT/0/tree/a"
truncate -s 100M "$MNT/0/tree/b"
used=$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')
refuses "/0/tree/b to $MNT/1/tree/b (No space" "$GMEMFS" mv "$MNT/0/tree" "$MNT/1"
cmp noise "$MNT/0/tree/a"
is "$(size_of "$MNT/0/tree/b")" 104857600
nothing ls -A "$MNT/1"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" "$used"
is "$(stat -c %h "$MNT/0/tree/a")" 1

# Into itself, onto a folder that isn't empty, onto a file, onto nothing.
refuses "into itself" "$GMEMFS" mv "$MNT/0/tree" "$MNT/0/tree/new"
mkdir -p "$MNT/1/tree/full"
refuses "$MNT/1/tree (Directory not empty)" "$GMEMFS" mv "$MNT/0/tree" "$MNT/1"
refuses "it is no folder" "$GMEMFS" mv "$MNT/0/tree" "$MNT/0/tree/a"
refuses "nowhere" "$GMEMFS" mv "$MNT/0/tree" "$MNT/nowhere/tree"
refuses "move several files" "$GMEMFS" mv "$MNT/0/tree/a" "$MNT/0/tree/b" "$MNT/new"
rmdir "$MNT/1/tree/full" "$MNT/1/tree"
rm -r "$MNT/0/tree"
"$GMEMFS" umount "$MNT"

# ^C among many files, and SIGKILL: the source is whole. A copy between two devices takes a second here.
GMEMFS_SIM_FAULTS="cuMemcpyPeerAsync~1000ms" "$GMEMFS" mount "$MNT" --simulate --device all
mkdir "$MNT/0" "$MNT/1"
setfattr -n user.gmemfs.device -v "${devices% *}" "$MNT/0"
setfattr -n user.gmemfs.device -v "${devices#* }" "$MNT/1"
mkdir "$MNT/0/tree"
for name in a b c d e f g h; do cp noise "$MNT/0/tree/$name"; done
for signal in INT KILL; do
    "$GMEMFS" mv "$MNT/0/tree" "$MNT/1" & move=$!
    until compgen -G "$MNT/1/.gmemfs-new.*/a" > /dev/null; do kill -0 "$move"; done
    kill -"$signal" "$move"
    status=0
    wait "$move" || status=$?
    is "$status" "$([ "$signal" = INT ] && echo 130 || echo 137)"
    for name in a b c d e f g h; do cmp noise "$MNT/0/tree/$name"; done
    fails test -e "$MNT/1/tree"
    [ "$signal" = KILL ] || nothing ls -A "$MNT/1"
done
is "$(find "$MNT/1" -mindepth 1 -maxdepth 1 | wc -l)" 1 # what was made until the SIGKILL, under a name of its own
rm -r "$MNT"/1/.gmemfs-new.*
"$GMEMFS" mv "$MNT/0/tree/a" "$MNT/1" & move=$!
until [ "$(xattr user.gmemfs.stats "$MNT" | json 'd["requests"].get("copy_file_range", 0)')" -gt 0 ]; do kill -0 "$move"; done
wait "$move"
cmp noise "$MNT/1/a"
# What changes while it is copied: here the copy of another one of the tree is still under way.
"$GMEMFS" mv "$MNT/0/tree" "$MNT/1" 2> said & move=$!
until compgen -G "$MNT/1/.gmemfs-new.*/*" > /dev/null; do kill -0 "$move"; done
first=$(basename "$(compgen -G "$MNT/1/.gmemfs-new.*/*" | sed -n 1p)")
printf changed >> "$MNT/0/tree/$first"
fails wait "$move"
grep -q "/0/tree/$first: it has changed meanwhile" said
is "$(tail -c 7 "$MNT/0/tree/$first")" changed
nothing find "$MNT/1" -mindepth 1 ! -name a
"$GMEMFS" umount "$MNT"
