# A mount that somebody uses isn't unmounted, and stays whole.
echo text > "$MNT/f"
exec 3< "$MNT/f"
refuses "$MNT is in use by process" "$GMEMFS" umount "$MNT"
mounted "$MNT" # not even lazily
is "$(cat <&3)" text
exec 3<&-
