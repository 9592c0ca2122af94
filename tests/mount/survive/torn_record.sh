# A journal whose last record is torn, a body that has no head yet: what came before is there.
# server: killed
random_bytes 1M > "$MNT/f"
sum=$(sha "$MNT/f")
kill_server
journal=$(echo "$GMEMFS_RUNTIME_DIR"/*/journal)
end=$(journal_end "$journal")
printf 'torn' | dd of="$journal" bs=1 seek=$((end + 8)) conv=notrunc status=none
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log second.log
grep -q "its last record was torn" second.log
is "$(sha "$MNT/f")" "$sum"
touch "$MNT/g"
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(ls "$MNT" | tr '\n' ' ')" "f g "
"$GMEMFS" umount "$MNT"
