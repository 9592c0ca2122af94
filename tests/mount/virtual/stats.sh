# user.gmemfs.stats, on the root alone, is JSON whose counters move.
xattr user.gmemfs.stats "$MNT" > before
head -c 1M /dev/zero > "$MNT/f"
xattr user.gmemfs.stats "$MNT" > after
is "$(json 'isinstance(d, dict)' < after)" True
fails cmp -s before after
is "$(errno_of "os.getxattr('$MNT/f', 'user.gmemfs.stats')")" ENODATA
