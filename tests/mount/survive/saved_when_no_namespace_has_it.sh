# While another mount namespace has a copy of the mount it hasn't ended: `gmemfs umount` says so, and it is saved when that goes.
# mount: none
# needs: unshare
needs_mount_namespaces
mkdir kept
"$GMEMFS" mount "$MNT" --simulate=64M --on-shutdown="save:$PWD/kept/snapshot"
echo text > "$MNT/f"
pid=$(server_pid)
mkfifo go
export -f lets_go_of_mounts
unshare --mount --propagation private bash -c 'lets_go_of_mounts "$MNT"; echo > go; read < go' &
read -r < go
expect_error "no container or other mount namespace has the mount" "$GMEMFS" umount "$MNT"
nothing ls kept
echo > go
gone "$pid"
says " f$" "$GMEMFS" restore --list kept/snapshot
