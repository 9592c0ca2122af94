# mount -o remount changes what Linux keeps with a mount, by mount(8), mount.fuse3 and `gmemfs mount`; nothing else, and files stay.
# mount: none
needs_root
fuse=$(PATH=$PATH:/sbin:/usr/sbin command -v mount.fuse3) || skip "no mount.fuse3 here"
"$GMEMFS" mount --simulate=64M "$MNT"
echo text > "$MNT/f"
flags() { grep " $MNT " /proc/self/mounts | cut -d ' ' -f 4; }
flags_of_mount() { flags | tr , '\n' | grep -vE '^(ro|rw|noexec)$' | paste -sd ,; }
by_kernel() { remount_by_kernel "${1#remount,}"; }
by_command() { "$GMEMFS" mount -o "$1" "$MNT"; }
by_helper() { "$fuse" "$GMEMFS#none" "$MNT" -o "$(flags_of_mount),$1"; } # as mount(8) calls it, which has no PATH to find ours
for way in by_kernel by_command by_helper; do
    $way remount,ro
    [[ ,$(flags), == *,ro,* ]]
    is "$(errno_of "open('$MNT/f', 'w')")" EROFS
    is "$(cat "$MNT/f")" text
    $way remount,rw,noexec
    [[ ,$(flags), == *,rw,*noexec,* ]]
    echo text > "$MNT/f"
    $way remount,exec
    [[ ,$(flags), == *,nosuid,nodev,* ]]
    [[ ,$(flags), != *,noexec,* ]]
done
by_command remount,ro
crash_server
is "$(cat "$MNT/f")" text
is "$(errno_of "open('$MNT/f', 'w')")" EROFS
refuses "capacity can't be changed" "$GMEMFS" mount -o remount,capacity=1G "$MNT"
"$GMEMFS" umount "$MNT"
