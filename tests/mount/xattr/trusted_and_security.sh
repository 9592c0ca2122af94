# Root keeps attributes in trusted. and security., also on symbolic links; others set neither, and don't see trusted ones.
# options: -o allow_other
# posix
needs_root
touch "$MNT/f"
ln -s nowhere "$MNT/link"
setfattr -n trusted.a -v one "$MNT/f"
setfattr -n security.a -v two "$MNT/f"
is "$(xattr trusted.a "$MNT/f") $(xattr security.a "$MNT/f")" "one two"
is "$(errno_of "os.setxattr('$MNT/link', 'trusted.a', b'1', follow_symlinks=False)")" OK
is "$(getfattr --absolute-names -h --only-values -n trusted.a "$MNT/link")" 1
listed() { python3 -c 'import os, sys; print(*sorted(n for n in os.listxattr(sys.argv[1]) if n.endswith(".a")))' "$1"; }
is "$(listed "$MNT/f")" "security.a trusted.a"
is "$(as_nobody bash -c "$(declare -f listed); listed '$MNT/f'")" security.a
chmod 666 "$MNT/f"
for name in trusted.b security.b; do
    said=$(as_nobody bash -c "$(declare -f errno_of); errno_of \"os.setxattr('$MNT/f', '$name', b'1')\"")
    is "$name $said" "$name EPERM"
done
setfattr -x trusted.a "$MNT/f"
is "$(errno_of "os.getxattr('$MNT/f', 'trusted.a')")" ENODATA
is "$(errno_of "os.setxattr('$MNT/f', 'trusted.', b'1')")" EINVAL
