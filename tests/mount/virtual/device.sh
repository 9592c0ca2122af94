# user.gmemfs.device names where a file lives; a device that isn't there can't be chosen.
truncate -s 1 "$MNT/f"
[ -n "$(xattr user.gmemfs.device "$MNT/f")" ]
[ -n "$(xattr user.gmemfs.device "$MNT")" ]
touch "$MNT/g"
fails setfattr -n user.gmemfs.device -v 99 "$MNT/g"
fails setfattr -n user.gmemfs.device -v nonsense "$MNT/g"
setfattr -n user.gmemfs.device -v "$(xattr user.gmemfs.device "$MNT/f")" "$MNT/g"
