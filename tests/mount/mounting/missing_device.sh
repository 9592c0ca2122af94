# A device that isn't there is refused by its number.
# mount: none
refuses "find device: 7: there is no such device; there are: 0 (GPU-" "$GMEMFS" mount "$MNT" --simulate=64M --device 7
fails mounted "$MNT"
