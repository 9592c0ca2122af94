# mount -o remount changes what Linux keeps with a mount, by mount(8), mount.fuse3 and `gmemfs mount`; nothing else, and files stay.
# mount: none
needs_root
PATH=$(dirname "$GMEMFS"):$PATH # mount.fuse3, whom mount(8) calls, looks for gmemfs there
export PATH
"$GMEMFS" mount --simulate=64M "$MNT"
echo text > "$MNT/f"
flags() { grep " $MNT " /proc/self/mounts | cut -d ' ' -f 4; }
for way in "mount" "$GMEMFS mount"; do
    $way -o remount,ro "$MNT"
    [[ ,$(flags), == *,ro,* ]]
    is "$(errno_of "open('$MNT/f', 'w')")" EROFS
    is "$(cat "$MNT/f")" text
    $way -o remount,rw,noexec "$MNT"
    [[ ,$(flags), == *,rw,*noexec,* ]]
    echo text > "$MNT/f"
    $way -o remount,exec "$MNT"
    [[ ,$(flags), != *,noexec,* ]]
done
mount -o remount,ro "$MNT"
kill -KILL "$(server_pid)"
is "$(cat "$MNT/f")" text
is "$(errno_of "open('$MNT/f', 'w')")" EROFS
refuses "capacity can't be changed" "$GMEMFS" mount -o remount,capacity=1G "$MNT"
"$GMEMFS" umount "$MNT"
