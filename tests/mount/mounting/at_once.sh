# Of several who mount at one place at once one does; the others are told. Also where a dead server's mount is there.
# mount: none
# server: killed
for round in $(seq 8); do
    : > said
    for _ in 1 2 3 4; do ("$GMEMFS" mount "$MNT" --simulate=64M 2>> said && echo mounted >> won) & done
    wait
    is "$(wc -l < won)" 1
    [ "$(grep -c "mounted there already" said)" = 3 ] || { cat said; exit 1; }
    is "$(grep -c " $MNT " /proc/self/mountinfo)" 1
    rm won
    if [ $((round % 2)) = 1 ]; then echo text > "$MNT/f"; kill_server; else
        is "$(cat "$MNT/f")" text
        rm "$MNT/f"
        "$GMEMFS" umount "$MNT"
    fi
done
nothing ls -A "$GMEMFS_RUNTIME_DIR"
