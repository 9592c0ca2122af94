# A packed file can be read where its device has not a byte left, by several at once, and by the next server.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate=48M
weights 14680064 > model
cp model "$MNT/model"
"$GMEMFS" pack "$MNT/model"
cmp model "$MNT/model"
index=0
while truncate -s 2M "$MNT/f$index" 2> /dev/null; do index=$((index + 1)); done
[ "$index" -ge 8 ]
for _ in 1 2; do
    running=()
    for _ in 1 2 3 4; do
        cmp model "$MNT/model" &
        running+=($!)
    done
    for pid in "${running[@]}"; do wait "$pid"; done
    dd if="$MNT/model" bs=100001 skip=3 count=20 status=none | cmp - <(dd if=model bs=100001 skip=3 count=20 status=none)
    is "$(where "$MNT/model")" packed
    crash_server
done
is "$(errno_of "os.pwrite(os.open('$MNT/model', os.O_WRONLY), b'x', 9)")" ENOSPC
cmp model "$MNT/model"
"$GMEMFS" umount "$MNT"
