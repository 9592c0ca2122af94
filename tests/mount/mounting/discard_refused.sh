# `umount --discard` that doesn't unmount changes nothing: what was to be saved is saved. Nor does one of a second place of the mount.
# mount: none
mkdir kept second
start() { "$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$PWD/kept/$1"; echo text > "$MNT/f"; }
start busy
exec 7< "$MNT/f"
refuses "in use" "$GMEMFS" umount --discard "$MNT"
is "$(xattr user.gmemfs.on_shutdown "$MNT")" "save:$PWD/kept/busy"
exec 7<&-
"$GMEMFS" umount "$MNT"
says " f$" "$GMEMFS" restore --list kept/busy
if [ "$(id -u)" = 0 ]; then
    start bound
    mount --bind "$MNT" second
    says "its files are yet at $MNT" "$GMEMFS" umount --discard second
    is "$(xattr user.gmemfs.on_shutdown "$MNT")" "save:$PWD/kept/bound"
    "$GMEMFS" umount "$MNT"
    says " f$" "$GMEMFS" restore --list kept/bound
fi
start discarded
"$GMEMFS" umount --discard "$MNT"
is "$(ls kept | tr '\n' ' ')" "$([ "$(id -u)" = 0 ] && echo 'bound busy ' || echo 'busy ')"
# umount(8) returns before the save is made; `gmemfs umount` waits for it, and says what became of it.
[ "$(id -u)" = 0 ] || exit 0
start later
random_bytes 40M > "$MNT/large"
sum=$(sha "$MNT/large")
pid=$(server_pid)
umount "$MNT"
said=$("$GMEMFS" umount "$MNT" 2>&1) || [ -z "$(ls -A "$GMEMFS_RUNTIME_DIR")" ] # it was faster
[[ $said == *"its files are saved"* || $said == *"is not a mount point"* ]]
gone "$pid"
"$GMEMFS" restore kept/later restored 2> /dev/null || { mkdir restored; "$GMEMFS" restore kept/later restored; }
is "$(sha restored/large)" "$sum"
