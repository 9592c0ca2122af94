# A mount point that isn't there is refused by name.
# mount: none
refuses "make the mount point first: mkdir -p $MNT/none" "$GMEMFS" mount "$MNT/none" --simulate=64M
refuses "make the mount point first: mkdir -p $MNT/none" "$GMEMFS" mount "$MNT/none" -f --simulate=64M
