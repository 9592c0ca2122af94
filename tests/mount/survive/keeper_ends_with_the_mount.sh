# Whoever unmounts: the keeper ends with the mount, and leaves nothing behind.
# mount: none
needs_root
for way in "$GMEMFS umount $MNT" "umount $MNT" 'kill -TERM $pid'; do
    $GMEMFS mount "$MNT" --simulate=64M
    truncate -s 4M "$MNT/f"
    pid=$(server_pid)
    keeper=$(keeper_pid)
    eval "$way"
    gone "$pid"
    gone "$keeper"
    nothing ls -A "$GMEMFS_RUNTIME_DIR"
done
