# A second mount on the same place is refused, and the first goes on.
echo text > "$MNT/f"
refuses "$MNT: a gmemfs is mounted there already" "$GMEMFS" mount "$MNT" --simulate=64M
is "$(cat "$MNT/f")" text
