# --handles takes auto, fabric and fd, and nothing else.
# mount: none
for handles in auto fabric fd; do
    $GMEMFS mount "$MNT" --simulate=64M --handles="$handles"
    truncate -s 1M "$MNT/f"
    $GMEMFS umount "$MNT"
done
is "$(status_of "$GMEMFS" mount "$MNT" --simulate=64M --handles=mail)" 2
