# A dead mount that somebody unmounted keeps its memory: the next mount serves it, or `gmemfs umount` gives it back.
# server: killed
needs_root
for way in mount umount; do
    [ "$way" = mount ] || "$GMEMFS" mount "$MNT" --simulate="$SIZE"
    random_bytes 1M > "$MNT/f"
    sum=$(sha "$MNT/f")
    kill_server
    umount "$MNT"
    if [ "$way" = mount ]; then
        "$GMEMFS" mount "$MNT" --simulate="$SIZE"
        is "$(sha "$MNT/f")" "$sum"
    fi
    if [ "$way" = umount ]; then
        refuses "gmemfs mount" "$GMEMFS" umount "$MNT"
        "$GMEMFS" umount --discard "$MNT"
    else
        "$GMEMFS" umount "$MNT"
    fi
    nothing keeper_pid
done
