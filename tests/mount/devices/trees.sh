# gmemfs cp -r of a tree whose files lie on several devices: those of different devices side by side, in and out; what belongs
# together stays in order, and what fails is said.
# mount: none
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=128M,128M,128M GMEMFS_SIM_NODES=0,5
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on
mapfile -t devices < <("$GMEMFS" stat --json "$MNT" | json '"\n".join(d["uuid"] for d in d["devices"])')
on() { is "$(xattr user.gmemfs.extents "$1" | json '",".join({e["device"] for e in d})')" "$2"; }
mkdir -p tree/{0,1,2,all,any}
for place in 0 1 2 all any; do
    random_bytes 9000001 > tree/$place/large
    random_bytes 4097 > tree/$place/small
    : > tree/$place/empty
done
random_bytes 5000000 > tree/any/second
ln tree/any/second tree/any/third # two names of one file
ln -s large tree/0/link
mkfifo tree/1/fifo
mkdir -p "$MNT/tree"/{0,1,2,all}
setfattr -n user.gmemfs.device -v spread:0-2 "$MNT/tree/all"
for index in 0 1 2; do setfattr -n user.gmemfs.device -v "${devices[index]}" "$MNT/tree/$index"; done
"$GMEMFS" cp -a --verify tree "$MNT"
for place in 0 1 2 all any; do
    for name in large small empty; do cmp tree/$place/$name "$MNT/tree/$place/$name"; done
    case $place in
    any) ;;
    all) is "$(xattr user.gmemfs.extents "$MNT/tree/all/large" | json 'len({e["device"] for e in d})')" 3 ;;
    *) on "$MNT/tree/$place/large" "${devices[place]}" ;;
    esac
done
is "$(readlink "$MNT/tree/0/link")" large
[ -p "$MNT/tree/1/fifo" ]
cmp tree/any/second "$MNT/tree/any/third"
[ "$MNT/tree/any/second" -ef "$MNT/tree/any/third" ]
is "$("$GMEMFS" cp -r --json "$MNT/tree" out | json 'd["bytes"]')" "$((5 * 9004098 + 2 * 5000000))"
diff -r --exclude=fifo tree out
"$GMEMFS" verify "$MNT" > said
# Not one after the other: the first in order takes 20 ms a chunk, and the second none.
rm -r "$MNT/tree"/{0,1}
mkdir "$MNT/tree"/{0,1}
for index in 0 1; do setfattr -n user.gmemfs.device -v "${devices[index]}" "$MNT/tree/$index"; done
GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync~20ms "$GMEMFS" cp -v --threads 1 -r tree/0 tree/1 "$MNT/tree" > said
[ "$(grep -n "^'tree/1/small'" said | cut -d : -f 1)" -lt "$(grep -n "^'tree/0/large'" said | cut -d : -f 1)" ]
is "$(wc -l < said)" 10
diff -r --exclude=fifo tree/0 "$MNT/tree/0"
# Two sources of one target: the later one is what stays, as where there is one device.
mkdir -p one/0 two/0
weights 6000000 > one/0/same
random_bytes 7000000 > two/0/same
"$GMEMFS" cp -r one/. two/. "$MNT/tree"
cmp two/0/same "$MNT/tree/0/same"
# One that fails hinders no other.
mkdir "$MNT/tree/1/large.d"
mv "$MNT/tree/1/large" "$MNT/tree/1/large.old"
mv "$MNT/tree/1/large.d" "$MNT/tree/1/large"
rm "$MNT/tree/0/large" "$MNT/tree/2/large"
refuses "tree/1/large: a folder is there" "$GMEMFS" cp -r tree "$MNT"
cmp tree/0/large "$MNT/tree/0/large"
cmp tree/2/large "$MNT/tree/2/large"
# A file of one device takes one context, whichever device it is; a second one that can't be had hinders nobody.
through_fuse() { "$GMEMFS" stat --json "$MNT" | json 'd["bytes_written"], d["bytes_read"]'; }
before=$(through_fuse)
GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain#2+=OUT_OF_MEMORY" "$GMEMFS" cp tree/1/large "$MNT/tree/2/again"
GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain#2+=OUT_OF_MEMORY" "$GMEMFS" cp "$MNT/tree/2/again" again
is "$(through_fuse)" "$before"
cmp tree/1/large again
GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain#2+=OUT_OF_MEMORY" "$GMEMFS" cp -r tree/0 tree/2 "$MNT/tree" # one of both through FUSE
differs "$(through_fuse)" "$before"
diff -r tree/2 "$MNT/tree/2" --exclude=again
# ^C in the midst of both leaves nothing of either.
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
mkdir -p "$MNT/late"/{0,1}
for index in 0 1; do setfattr -n user.gmemfs.device -v "${devices[index]}" "$MNT/late/$index"; done
before=$(used)
both_have_begun() { [ "$(used)" -ge $((before + 18000000)) ]; }
GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync~500ms "$GMEMFS" cp --threads 1 -r tree/0 tree/1 "$MNT/late" & copy=$!
soon both_have_begun
kill -TERM "$copy"
status=0
wait "$copy" || status=$?
is "$status" 130
nothing find "$MNT/late" -size +1M
rm -r "$MNT/late" # with small files that were whole before
is "$(used)" "$before"
"$GMEMFS" umount "$MNT"
