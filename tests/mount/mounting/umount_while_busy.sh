# A mount that somebody uses isn't unmounted, and stays whole.
echo text > "$MNT/f"
exec 3< "$MNT/f"
refuses "$MNT" "$GMEMFS" umount "$MNT"
is "$(cat <&3)" text
exec 3<&-
