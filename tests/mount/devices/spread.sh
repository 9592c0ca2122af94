# A file over several devices: an extent a device, one address for peers, the same bytes for every tool; its directory hands it down,
# and servers that come after know it.
# mount: none
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=256M,192M,256M
"$GMEMFS" mount "$MNT" --simulate --device all
uuids=$("$GMEMFS" stat --json "$MNT" | json '" ".join(d["uuid"] for d in d["devices"])')
# "0:4 1:4": number and MiB of each extent.
layout() {
    xattr user.gmemfs.extents "$1" |
        json "' '.join(f\"{'$uuids'.split().index(e['device'])}:{e['length'] >> 20}\" for e in d)"
}
mkdir "$MNT/all" "$MNT/two" "$MNT/turns"
setfattr -n user.gmemfs.device -v spread "$MNT/all"
setfattr -n user.gmemfs.device -v spread:2,0 "$MNT/two"
setfattr -n user.gmemfs.device -v interleave:32M:0-1 "$MNT/turns"
is "$(xattr user.gmemfs.device "$MNT/all")" spread:0-2
is "$(xattr user.gmemfs.device "$MNT/two")" spread:2,0
for wrong in spread:0-3 spread:0,0 interleave:1M:0-1 interleave:0-1 spread: spread:host; do
    fails setfattr -n user.gmemfs.device -v "$wrong" "$MNT/two"
done
is "$(xattr user.gmemfs.device "$MNT/two")" spread:2,0
mkdir "$MNT/all/below"
truncate -s 24M "$MNT/all/below/f"
is "$(xattr user.gmemfs.device "$MNT/all/below/f")" spread:0-2
is "$(layout "$MNT/all/below/f")" "0:8 1:8 2:8"
is "$(xattr user.fabric_handle "$MNT/all/below/f" | wc -c)" 192
is "$(xattr user.allocation_size "$MNT/all/below/f")" 25165824
fails setfattr -n user.gmemfs.device -v 1 "$MNT/all/below/f"
# Tools: into it, out of it, over seams, and from one placement to another.
random_bytes 50000001 > data
for way in cp gmemfs dd; do
    case $way in
    cp) cp data "$MNT/two/$way" ;;
    gmemfs) "$GMEMFS" cp --verify data "$MNT/two/$way" ;;
    dd) dd if=data of="$MNT/two/$way" bs=1M status=none ;;
    esac
    cmp data "$MNT/two/$way"
    is "$(layout "$MNT/two/$way")" "2:24 0:24"
    "$GMEMFS" cp "$MNT/two/$way" back
    cmp data back
done
cp "$MNT/two/cp" "$MNT/turns/f"
cmp data "$MNT/turns/f"
is "$(layout "$MNT/turns/f")" "0:32 1:16"
"$GMEMFS" cp "$MNT/turns/f" "$MNT/all/f"
cmp data "$MNT/all/f"
is "$(layout "$MNT/all/f")" "0:16 1:16 2:16"
digest=$(xattr user.gmemfs.digest "$MNT/all/f")
is "$(xattr user.gmemfs.digest "$MNT/turns/f")" "$digest"
is "$(xattr user.gmemfs.digest "$MNT/two/dd")" "$digest"
# What grows, shrinks and has holes stays spread.
cp data "$MNT/two/grown"
truncate -s 60M "$MNT/two/grown"
is "$(layout "$MNT/two/grown")" "2:30 0:30"
fallocate -p -o 20M -l 20M "$MNT/two/grown"
cp data expected
truncate -s 60M expected
fallocate -p -o 20M -l 20M expected
cmp expected "$MNT/two/grown"
truncate -s 9M "$MNT/two/grown" expected
is "$(layout "$MNT/two/grown")" "2:6 0:4"
cmp expected "$MNT/two/grown"
# A device that has no room for its part: nothing is taken, nothing is lost.
fails truncate -s 500M "$MNT/all/f"
is "$(layout "$MNT/all/f")" "0:16 1:16 2:16"
cmp data "$MNT/all/f"
# Cold, and awake again where it was.
weights 67108864 > model
cp model "$MNT/all/model"
"$GMEMFS" pack "$MNT/all/model" > said
cmp model "$MNT/all/model"
"$GMEMFS" unpack "$MNT/all/model" > said
is "$(layout "$MNT/all/model")" "0:22 1:22 2:20"
cmp model "$MNT/all/model"
# Where no device has room for all of it.
setfattr -n user.gmemfs.device -v auto "$MNT"
is "$(xattr user.gmemfs.device "$MNT")" auto
truncate -s 270M "$MNT/large"
is "$(layout "$MNT/large" | wc -w)" 3
rm "$MNT/large"
# The next servers.
kill_server
"$GMEMFS" mount "$MNT" --simulate --device all
for again in 1 2; do
    is "$(xattr user.gmemfs.device "$MNT/all")" spread:0-2
    is "$(xattr user.gmemfs.device "$MNT/turns")" interleave:32M:0-1
    is "$(xattr user.gmemfs.device "$MNT")" auto
    is "$(xattr user.gmemfs.device "$MNT/two/cp")" spread:2,0
    is "$(layout "$MNT/two/cp")" "2:24 0:24"
    cmp data "$MNT/two/cp"
    cmp data "$MNT/turns/f"
    is "$(xattr user.gmemfs.digest "$MNT/all/f")" "$digest"
    truncate -s "$((24 + again * 6))M" "$MNT/all/new"
    is "$(layout "$MNT/all/new")" "0:$((8 + again * 2)) 1:$((8 + again * 2)) 2:$((8 + again * 2))"
    [ "$again" = 2 ] || "$GMEMFS" restart "$MNT"
done
rm -r "$MNT"/*
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
"$GMEMFS" umount "$MNT"
