# Without /dev/fuse the error says so.
# mount: none
needs_mount_namespaces
refuses "/dev/fuse" unshare -m bash -c \
    'mount -t tmpfs none /dev && mkdir -m 1777 /dev/shm && mknod -m 666 /dev/null c 1 3 && exec "$@"' - "$GMEMFS" mount "$MNT" --simulate=64M
