# A device that isn't there is refused by its number.
# mount: none
refuses "7" "$GMEMFS" mount "$MNT" --simulate=64M --device 7
fails mounted "$MNT"
