# A packed file can be read where its device has not a byte left, by several at once, and by the next server; one that nvCOMP
# has packed, too, which only the device can decode.
# mount: none
# timeout: 120
needs_linux_that_asks_again
codecs() { xattr user.gmemfs.residence "$MNT/model" | json 'd["codecs"]'; }
weights 14680064 > model
for codec in own ans; do
    GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" mount "$MNT" --simulate=48M
    cp model "$MNT/model"
    "$GMEMFS" pack --codec=$codec "$MNT/model"
    says "'\(bf16\|ans-half\)': 112" codecs
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
done
