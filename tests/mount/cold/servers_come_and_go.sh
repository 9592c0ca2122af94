# A packed file outlives its server: after SIGKILL and after gmemfs restart it is packed, right, and wakes.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
weights 9000001 --mixed > model
for name in killed restarted; do
    cp model "$MNT/$name"
    "$GMEMFS" pack "$MNT/$name"
done
facts() {
    stat -c '%n %i %s %b %y' "$MNT"/*
    xattr user.gmemfs.residence "$MNT/killed"
    xattr user.gmemfs.stats "$MNT" | json 'd["used"], d["packed"]'
}
facts > before
exec 7< "$MNT/killed"
pid=$(server_pid)
crash_server "$pid"
differs "$(server_pid)" "$pid"
facts | diff before -
cmp model - <&7
exec 7<&-
"$GMEMFS" restart "$MNT"
facts | diff before -
cmp model "$MNT/restarted"
is "$(where "$MNT/restarted")" packed
"$GMEMFS" unpack "$MNT/killed"
printf x | dd of="$MNT/restarted" bs=1 seek=77 conv=notrunc status=none
crash_server
is "$(where "$MNT/killed") $(where "$MNT/restarted")" "device device"
cmp model "$MNT/killed"
printf x | dd of=model bs=1 seek=77 conv=notrunc status=none
cmp model "$MNT/restarted"
"$GMEMFS" umount "$MNT"
