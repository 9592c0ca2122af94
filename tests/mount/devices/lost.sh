# A device that is lost to every process: EIO in its own parts, and nothing of it anywhere else: not in what runs meanwhile, not in
# counters, restarts, the unmount. When it is back a restart brings its files back.
# mount: none
# timeout: 120
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=64M,96M,80M GMEMFS_SIM_FAULTS=@$PWD/plan
plan() { # taken by the server, in the next call that has a context
    echo "$1" > new
    mv new plan
    "$GMEMFS" stat "$MNT" > said
    fails test -e plan
}
stat_of() { "$GMEMFS" stat --json "$MNT" | json "$1"; }
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --scrub-rate=0 --log="$PWD/log"
for device in 0 1 2; do
    mkdir "$MNT/$device"
    setfattr -n user.gmemfs.device -v "$device" "$MNT/$device"
    random_bytes 3000001 > "bytes.$device"
    cp "bytes.$device" "$MNT/$device/large"
    head -c 777 "bytes.$device" > "$MNT/$device/small"
    weights 6000000 > "$MNT/$device/weights"
done
cp "$MNT/1/weights" weights
"$GMEMFS" pack "$MNT/1/weights" "$MNT/2/weights" > said
server=$(server_pid)
python3 "$TESTS/devices/beside.py" "$MNT" "$PWD" &
beside=$!
soon test -e "$PWD/begun"
plan "*@1#1+=ECC_UNCORRECTABLE"
soon test -e "$PWD/lost"
sleep 0.3 # of the work on the others; nothing is waited for
touch end
wait "$beside"

check_lost() {
    is "$(stat_of '[d["lost"] for d in d["devices"]].count(True)')" 1
    is "$(stat_of '[d["used"] >= 6 << 20 for d in d["devices"] if d["lost"]]')" "[True]"
    says "is lost: .* of files there can't be reached" "$GMEMFS" df "$MNT"
    for file in large small weights; do
        is "$(errno_of "open('$MNT/1/$file', 'rb').read()")" EIO
        is "$(errno_of "open('$MNT/1/$file', 'r+b', 0).write(b'x')")" EIO
        is "$(errno_of "import os; os.truncate('$MNT/1/$file', 9 << 20)")" EIO
        is "$(errno_of "import os; os.open('$MNT/1/$file', os.O_RDWR)")" OK
    done
    is "$(size_of "$MNT/1/large")" 3000001
    is "$(xattr user.gmemfs.extents "$MNT/1/large" | json '{e["lost"] for e in d}')" "{True}"
    says "lost: EIO" "$GMEMFS" stat "$MNT/1/large"
    for device in 0 2; do
        cmp "bytes.$device" "$MNT/$device/large"
        is "$(sha "$MNT/$device/small")" "$(head -c 777 "bytes.$device" | sha256sum | cut -d ' ' -f 1)"
        truncate -s 5M "$MNT/$device/new"
        is "$(sha "$MNT/$device/new")" "$(zeros 5M)"
        rm "$MNT/$device/new"
    done
    cp "$MNT/0/large" "$MNT/2/copy"
    "$GMEMFS" cp --verify "$MNT/0/large" "$MNT/2/copy2"
    cmp bytes.0 "$MNT/2/copy"
    "$GMEMFS" verify "$MNT/0" "$MNT/2" > said
    differs "$(xattr user.gmemfs.digest "$MNT/2/large")" "$(xattr user.gmemfs.digest "$MNT/0/large")"
    "$GMEMFS" unpack "$MNT/2/weights" > said
    "$GMEMFS" pack "$MNT/2/weights" > said
    rm "$MNT/2/copy" "$MNT/2/copy2"
    # Nothing goes there, and nothing comes from there.
    is "$(errno_of "import shutil; shutil.copyfile('$MNT/1/large', '$MNT/0/from')")" EIO
    is "$(errno_of "open('$MNT/1/made', 'wb', 0).write(b'x')")" EIO
    rm "$MNT/0/from" "$MNT/1/made"
    for _ in 1 2 3 4; do
        random_bytes 1000000 > "$MNT/anywhere"
        is "$(xattr user.gmemfs.extents "$MNT/anywhere" | json '{"lost" in e for e in d}')" "{False}"
        rm "$MNT/anywhere"
    done
    # Peers of the others get what they ask for.
    PYTHONPATH="$TESTS/peers" python3 - "$MNT" <<'END_OF_PYTHON'
import mmap, sys
from peer import *
peer = Peer(sys.argv[1])
for device in "02":
    memory = mmap.mmap(peer.attach(f"{sys.argv[1]}/{device}/large").fds[0], 2 << 20)
    assert memory[:] == open(f"bytes.{device}", "rb").read(2 << 20), device
END_OF_PYTHON
    no_peers_left
}
check_lost
is "$(errno_of "import os; os.setxattr('$MNT/0', 'user.gmemfs.device', b'1')")" ENODEV
is "$(server_pid)" "$server"
is "$(grep -c "is lost: .* of files on it can't be reached (EIO).*gmemfs restart" log)" 1
fails grep -q "takes over" log
mv "$MNT/1/small" "$MNT/1/renamed"
truncate -s 0 "$MNT/1/renamed"
is "$(size_of "$MNT/1/renamed")" 0
rm "$MNT/1/renamed"
cp "$MNT/0/small" small.0

# Another server finds it lost as it begins, and keeps what the keeper has of it.
"$GMEMFS" restart "$MNT"
differs "$(server_pid)" "$server"
python3 -c 'import os, sys; os.truncate(sys.argv[1], 777)' "$MNT/0/small"
head -c 777 bytes.1 > "$MNT/1/small" || rm "$MNT/1/small"
is "$(errno_of "open('$MNT/1/large', 'rb').read()")" EIO
touch "$MNT/1/small" # the name, without bytes
is "$(stat_of '[d["lost"] for d in d["devices"]].count(True)')" 1
cmp bytes.0 "$MNT/0/large"
cmp bytes.2 "$MNT/2/large"
kill_server # by hand, the supervisor too: the mount that takes over finds the same
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --scrub-rate=0 --log="$PWD/log"
is "$(errno_of "open('$MNT/1/large', 'rb').read()")" EIO
cmp bytes.2 "$MNT/2/large"
is "$(grep -c "is lost: .* of files on it can't be reached" log)" 3

# A snapshot leaves out what can't be read, and says so.
expect_error "1/large: its device is lost, and it is left out" "$GMEMFS" save "$MNT" "$PWD/saved"
test -s saved
# It is back.
plan "*@1#1+=SUCCESS"
is "$(errno_of "open('$MNT/1/large', 'rb').read()")" EIO
"$GMEMFS" restart "$MNT"
is "$(stat_of '[d["lost"] for d in d["devices"]].count(True)')" 0
cmp bytes.1 "$MNT/1/large"
cmp weights "$MNT/1/weights"
"$GMEMFS" seal "$MNT" > said # what peers had mapped
"$GMEMFS" verify "$MNT" > said

# The first one, by whose context host memory is used and memory was pinned; and an unmount.
"$GMEMFS" pack --host --as-is "$MNT/2/large" > said
plan "*@0#1+=ECC_UNCORRECTABLE"
is "$(errno_of "open('$MNT/0/large', 'rb').read()")" EIO
cmp bytes.1 "$MNT/1/large"
cmp bytes.2 "$MNT/2/large"
echo more >> "$MNT/2/large"
"$GMEMFS" pack --host "$MNT/1/large" "$MNT/1/weights" > said
cmp bytes.1 "$MNT/1/large"
cmp weights "$MNT/1/weights"
"$GMEMFS" umount "$MNT"
nothing keeper_pid
