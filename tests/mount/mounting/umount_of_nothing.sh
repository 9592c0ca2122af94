# What isn't a gmemfs mount isn't unmounted.
# mount: none
refuses "$MNT is not a mount point" "$GMEMFS" umount "$MNT"
refuses "$MNT/none (No such file" "$GMEMFS" umount "$MNT/none"
refuses "/proc is no gmemfs mount but proc" "$GMEMFS" umount /proc
mounted /proc
