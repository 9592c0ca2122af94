# A log, a runtime folder, a snapshot or the program itself within the mount, by whatever name, are refused: its server would ask itself.
# mount: none
mkdir "$MNT/d" beside
ln -s "$MNT" to-mount
ln -s "$MNT/log" to-log
ln -s ../to-log beside/to-log
for log in "$MNT/log" "$MNT/../${MNT##*/}/d/log" to-mount/log to-log beside/to-log; do
    refuses "the log would lie in the mount" "$GMEMFS" mount "$MNT" --simulate=64M --log="$log"
    refuses "the log would lie in the mount" "$GMEMFS" mount -f "$MNT" --simulate=64M --log="$log"
done
for folder in "$MNT/run" to-mount/run "$MNT" "$MNT/d/run"; do
    GMEMFS_RUNTIME_DIR=$folder refuses "the runtime folder would lie in the mount" "$GMEMFS" mount "$MNT" --simulate=64M
done
(cd "$MNT" && GMEMFS_RUNTIME_DIR=run refuses "the runtime folder would lie in the mount" "$GMEMFS" mount . --simulate=64M)
for file in "$MNT/s" to-mount/s "$MNT/d/s"; do
    refuses "it would lie in the mount" "$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$file"
done
refuses "this program would lie in the mount" "$GMEMFS" mount "$(dirname "$(realpath "$GMEMFS")")" --simulate=64M
fails mounted "$MNT"
rmdir "$MNT/d"
"$GMEMFS" mount "$MNT" --simulate=64M --log="$PWD/log"
"$GMEMFS" umount "$MNT"
