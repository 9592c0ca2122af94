# --place says where a file goes that nobody has placed: to the first device with room, to the one with most, or to one that is near:
# that the writer's environment names, or at the node of the processor that it runs on.
# mount: none
# needs: unshare taskset
export GMEMFS_SIM_DEVICES=64M,128M,256M GMEMFS_SIM_NODES=0,1,1
refused=$("$GMEMFS" mount "$MNT" --simulate --place=last 2>&1) && exit 1
case $refused in *"place: 'last' is none of first, free, near"*) ;; *) echo "$refused"; exit 1 ;; esac
says '^place = near  (flag)$' "$GMEMFS" mount "$MNT" --simulate --place=near --print-options
start() {
    "$GMEMFS" mount "$MNT" --simulate --device "$1" "${@:2}"
    "$GMEMFS" stat --json "$MNT" | json '" ".join(str(d["ordinal"]) + "=" + d["uuid"] for d in d["devices"])' > uuids
}
# on FILE: the number of the device that it has come to.
on() { tr ' ' '\n' < uuids | grep "=$(xattr user.gmemfs.device "$1")$" | cut -d = -f 1; }

start all
truncate -s 2M "$MNT/a"
is "$(on "$MNT/a")" 2
"$GMEMFS" umount "$MNT"

start 1,0,2 --place=first
truncate -s 100M "$MNT/a"
truncate -s 60M "$MNT/b" # that doesn't fit beside it
truncate -s 20M "$MNT/c"
echo small > "$MNT/d"
is "$(for file in a b c d; do on "$MNT/$file"; done | tr '\n' ' ')" "1 0 1 1 "
mkdir "$MNT/placed"
setfattr -n user.gmemfs.device -v 2 "$MNT/placed"
truncate -s 2M "$MNT/placed/e"
is "$(on "$MNT/placed/e")" 2
"$GMEMFS" umount "$MNT"

needs_mount_namespaces
[ "$(nproc)" -gt 1 ] || skip "the second node has no processor of this machine"
# Two nodes with a processor each, whatever this machine has.
first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')
second=$(taskset -cp $$ | sed 's/.*[-,]//')
mkdir -p nodes/node0 nodes/node1
echo "$first" > nodes/node0/cpulist
echo "$second" > nodes/node1/cpulist
near() {
    mount --bind nodes /sys/devices/system/node
    start all --place=near
    unset CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES
    make() { local name=$1; shift; "$@" truncate -s 2M "$MNT/$name"; on "$MNT/$name"; }
    is "$(make at-first taskset -c "$first")" 0
    is "$(make at-second taskset -c "$second")" 2 # the roomier of two
    taskset -c "$first" truncate -s 100M "$MNT/large"
    is "$(on "$MNT/large")" 2 # the first has no room for that
    is "$(make seen env CUDA_VISIBLE_DEVICES=1)" 1
    is "$(make two-seen taskset -c "$first" env CUDA_VISIBLE_DEVICES=1,0)" 0
    is "$(make by-uuid env CUDA_VISIBLE_DEVICES="$(tr ' ' '\n' < uuids | sed -n 's/^1=//p')")" 1
    is "$(make in-container env NVIDIA_VISIBLE_DEVICES=0,1 CUDA_VISIBLE_DEVICES=1)" 1
    is "$(make second-of-container env NVIDIA_VISIBLE_DEVICES=1,2 CUDA_VISIBLE_DEVICES=1)" 2
    is "$(make none-seen taskset -c "$second" env CUDA_VISIBLE_DEVICES= NVIDIA_VISIBLE_DEVICES=void)" 2
    is "$(make unknown taskset -c "$first" env CUDA_VISIBLE_DEVICES=7)" 0
    "$GMEMFS" umount "$MNT"
    umount /sys/devices/system/node
}
export -f near start on is json xattr
export first second
unshare --mount --propagation private bash -eu -o pipefail -c near
