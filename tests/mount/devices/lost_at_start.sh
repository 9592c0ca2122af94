# A device that is lost when a server begins: one that has files to go on with does so without it; a mount that begins anew is told.
# mount: none
# server: killed
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=64M,96M,80M GMEMFS_SIM_FAULTS=@$PWD/plan
lost() { "$GMEMFS" stat --json "$MNT" | json '[d["ordinal"] for d in d["devices"] if d["lost"]]'; }
check() { # NUMBER of the lost device, as the server has it
    is "$(lost)" "[$1]"
    cmp bytes.0 "$MNT/0/file"
    cmp bytes.2 "$MNT/2/file"
    is "$(errno_of "open('$MNT/1/file', 'rb').read()")" EIO
    is "$(size_of "$MNT/1/file")" 1000001
    is "$(xattr user.gmemfs.device "$MNT/1" | tail -c 1)" 1
}
"$GMEMFS" mount "$MNT" --simulate --device 0,1,2 --log="$PWD/log"
for device in 0 1 2; do
    mkdir "$MNT/$device"
    setfattr -n user.gmemfs.device -v "$device" "$MNT/$device"
    random_bytes 1000001 > "bytes.$device"
    cp "bytes.$device" "$MNT/$device/file"
done
# The context can't be made: found at a start, and a restart by hand finds it well.
kill_server
GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain@1#1+=SYSTEM_NOT_READY" "$GMEMFS" mount "$MNT" --simulate --device 0,1,2 -f --log="$PWD/log" &
soon "$GMEMFS" stat "$MNT"
check 1
fails "$GMEMFS" restart "$MNT" # in the foreground
kill_server
"$GMEMFS" mount "$MNT" --simulate --device 0,1,2 --log="$PWD/log"
is "$(lost)" "[]"
cmp bytes.1 "$MNT/1/file"
# The driver doesn't show it any more, and the options name it.
echo "*@1#1+=NO_DEVICE" > new
mv new plan
"$GMEMFS" stat "$MNT" > said
"$GMEMFS" restart "$MNT"
check -1
grep -q "1: there is no such device.*the mount goes on without it\|the mount goes on without it.*1: there is no such device" log
kill_server
"$GMEMFS" mount "$MNT" --simulate --device 0,1,2 --log="$PWD/log"
check -1
cp bytes.0 "$MNT/2/more" # the lost one's bytes don't count against the others' room
truncate -s 60M "$MNT/2/most"
"$GMEMFS" umount "$MNT"
# Anew: nothing would be lost by saying no.
export GMEMFS_SIM_FAULTS="*@1#1+=NO_DEVICE"
refuses "there is no such device" "$GMEMFS" mount "$MNT" --simulate --device 0,1,2
"$GMEMFS" mount "$MNT" --simulate --device 0,2
is "$(lost)" "[]"
"$GMEMFS" umount "$MNT"
