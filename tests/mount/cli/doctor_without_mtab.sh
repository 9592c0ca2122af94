# Where /etc/mtab is missing (a chroot that nothing was booted in), who isn't root can mount and not unmount: doctor says so.
# mount: none
needs_mount_namespaces
as_nobody test -x "$GMEMFS" || skip "nobody can't reach $GMEMFS here"
[ -u "$(command -v fusermount3)" ] || skip "fusermount3 isn't setuid here"
said=$(unshare --mount bash -c 'mount -t tmpfs none /etc
    exec setpriv --reuid=65534 --regid=65534 --clear-groups "$GMEMFS" doctor' || true)
[[ $said == *"as root: ln -s /proc/self/mounts /etc/mtab"* ]] || { echo "$said"; exit 1; }
