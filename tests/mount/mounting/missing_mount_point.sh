# A mount point that isn't there is refused by name.
# mount: none
refuses "$MNT/none" "$GMEMFS" mount "$MNT/none" --simulate=64M
refuses "$MNT/none" "$GMEMFS" mount "$MNT/none" -f --simulate=64M
