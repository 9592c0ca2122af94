# Without --pool: .pool/USER in the only mount; of several one must be named.
needs_plain_pool
needs_mount_namespaces
alone() {
    lets_go_of_mounts "$MNT"
    is "$("$GMEMFS" run sh -c 'echo "$GMEMFS_POOL_DIR"')" "$MNT/.pool/$(id -un)"
    is "$(stat -c %a "$MNT/.pool")" 1777
    is "$(stat -c %a "$MNT/.pool/$(id -un)")" 700
    lets_go_of_mounts
    refuses "no gmemfs is mounted" "$GMEMFS" run true
}
export -f alone is refuses lets_go_of_mounts
unshare --mount --propagation private bash -eu -c alone
