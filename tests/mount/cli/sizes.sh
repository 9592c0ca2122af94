# Sizes take K, M, G and T.
# mount: none
for pair in 65536K:67108864 64M:67108864 0.0625G:67108864; do
    $GMEMFS mount "$MNT" --simulate=128M --capacity "${pair%:*}"
    is "$(df -B1 --output=size "$MNT" | tail -n 1 | tr -d ' ')" "${pair#*:}"
    $GMEMFS umount "$MNT"
done
