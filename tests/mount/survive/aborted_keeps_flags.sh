# What `mount -o remount` has changed holds after the connection was aborted, too, and where a save has failed: the server mounts again.
# mount: none
needs_root
[ -d /sys/fs/fuse/connections ] || skip "no /sys/fs/fuse/connections here"
mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections || skip "no fusectl here"
options() { awk -v at="$MNT" '$5 == at { print $6 }' /proc/self/mountinfo | tail -1; }
back() { for _ in $(seq 100); do cat "$MNT/f" 2> /dev/null && return; sleep 0.1; done; cat log >&2; return 1; }
mkdir kept
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log" --on-shutdown="save:$PWD/kept/snapshot" -o noatime
echo text > "$MNT/f"
for words in ro,noexec,noatime,nodiratime rw,exec,suid,dev,strictatime,diratime; do
    remount_by_kernel "$words"
    want=$(options)
    exec 7< "$MNT/f"
    fails umount -f "$MNT" # busy; the kernel has aborted it by then
    is "$(back)" text
    exec 7<&-
    is "$(options)" "$want"
done
[[ ,$want, != *,nosuid,* ]]
echo more > "$MNT/f"
remount_by_kernel noexec
want=$(options)
crash_server # another one, which has never seen the change, is told nothing of it
rm -r kept
touch kept
fails "$GMEMFS" umount "$MNT" # nothing can be saved there, and it is mounted again
is "$(back)" more
is "$(options)" "$want"
rm kept
mkdir kept
"$GMEMFS" umount "$MNT"
[ -s kept/snapshot ]
