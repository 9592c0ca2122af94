# user.gmemfs.device names where a file lives; a device that isn't there can't be chosen.
truncate -s 1 "$MNT/f"
is "$(xattr user.gmemfs.device "$MNT/f")" "$("$GMEMFS" stat --json "$MNT" | json 'd["devices"][0]["uuid"]')"
[ -n "$(xattr user.gmemfs.device "$MNT")" ]
touch "$MNT/g"
before=$(xattr user.gmemfs.device "$MNT/g")
for none in 99 nonsense; do is "$(errno_of "os.setxattr('$MNT/g', 'user.gmemfs.device', b'$none')")" EINVAL; done
is "$(xattr user.gmemfs.device "$MNT/g")" "$before"
setfattr -n user.gmemfs.device -v "$(xattr user.gmemfs.device "$MNT/f")" "$MNT/g"
