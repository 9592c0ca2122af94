# A journal whose last record is torn: what came before is there.
# server: killed
random_bytes 1M > "$MNT/f"
sum=$(sha "$MNT/f")
kill_server
printf '\x40\x00\x00\x00\x11\x22\x33\x44torn' >> "$(echo "$GMEMFS_RUNTIME_DIR"/*/journal)"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(sha "$MNT/f")" "$sum"
touch "$MNT/g"
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(ls "$MNT" | tr '\n' ' ')" "f g "
"$GMEMFS" umount "$MNT"
