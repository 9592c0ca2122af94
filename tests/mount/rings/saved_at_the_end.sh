# A mount with rings that is saved at its end: a save that fails has it mounted again, with rings; the next mount begins with the files.
# mount: none
# rings
needs_root
mkdir disk
mount -t tmpfs -o size=4m none disk
trap 'umount -l disk' EXIT
options="--simulate=$SIZE --on-shutdown=save:$PWD/disk/snapshot -o io_uring"
"$GMEMFS" mount "$MNT" $options
random_bytes 9M > source
cp source "$MNT/f"
refuses "No space left on device); nothing is lost, $MNT is mounted again" "$GMEMFS" umount "$MNT"
cmp source "$MNT/f"
is "$(xattr user.gmemfs.socket "$MNT")" "$MNT/.gmemfs.socket"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["transport"]')" io_uring
mount -o remount,size=64m disk
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" $options
cmp source "$MNT/f"
[ "$(ring_requests)" -ge 9 ]
"$GMEMFS" umount --discard "$MNT"
