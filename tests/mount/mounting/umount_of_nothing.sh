# What isn't a gmemfs mount isn't unmounted.
# mount: none
refuses "$MNT" "$GMEMFS" umount "$MNT"
refuses "$MNT/none" "$GMEMFS" umount "$MNT/none"
refuses "/proc" "$GMEMFS" umount /proc
mounted /proc
