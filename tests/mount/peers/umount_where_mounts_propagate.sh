# Where mounts propagate between namespaces (systemd's default) the socket keeps nobody from unmounting either.
# mount: none
# needs: unshare
needs_mount_namespaces
mkdir -p m
unshare --mount --propagation shared bash -eu -c '
    "$GMEMFS" mount m --simulate=64M
    truncate -s 2M m/f
    test -S m/.gmemfs.socket
    "$GMEMFS" umount m'
