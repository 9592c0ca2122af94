# Without parity user.gmemfs.ecc says off; a directory, or an empty file, can be given it, and nothing else.
truncate -s 1 "$MNT/f"
is "$(xattr user.gmemfs.ecc "$MNT/f")" off
is "$(xattr user.gmemfs.ecc "$MNT")" off
is "$(errno_of "os.setxattr('$MNT/f', 'user.gmemfs.ecc', b'on')")" EBUSY
is "$(errno_of "os.setxattr('$MNT', 'user.gmemfs.ecc', b'current')")" EINVAL
touch "$MNT/empty"
mkdir "$MNT/d"
setfattr -n user.gmemfs.ecc -v on "$MNT/empty"
setfattr -n user.gmemfs.ecc -v on "$MNT/d"
is "$(xattr user.gmemfs.ecc "$MNT/empty")" current
mkdir "$MNT/d/e"
echo text > "$MNT/d/e/f"
is "$(xattr user.gmemfs.ecc "$MNT/d/e")" on
is "$(xattr user.gmemfs.ecc "$MNT/d/e/f")" current
setfattr -n user.gmemfs.ecc -v off "$MNT/d"
echo text > "$MNT/d/g"
is "$(xattr user.gmemfs.ecc "$MNT/d/g")" off
is "$(errno_of "os.removexattr('$MNT/d', 'user.gmemfs.ecc')")" EPERM
