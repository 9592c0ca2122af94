# `mount -a` a second time knows that what fstab names, by whatever source, is there.
# mount: none
# needs: unshare
needs_root
PATH=$PATH:/sbin:/usr/sbin
command -v mount.fuse3 > /dev/null || skip "no mount.fuse3 here"
twice() {
    lets_go_of_mounts
    mount -t tmpfs none /usr/local/bin # where mount.fuse3 looks
    ln -s "$GMEMFS" /usr/local/bin/gmemfs
    for source in none gmemfs weights; do
        echo "$source $MNT fuse.gmemfs simulate=64M,nofail 0 0" > fstab
        mount -a -T fstab
        mount -a -T fstab
        is "$(awk -v at="$MNT" '$2 == at { print $1 }' /proc/self/mounts)" "$source"
        "$GMEMFS" umount "$MNT"
    done
}
export -f twice is lets_go_of_mounts
unshare --mount --propagation private bash -eu -c twice
