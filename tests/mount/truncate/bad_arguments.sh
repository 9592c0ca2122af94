# Negative sizes, directories and read-only descriptors are refused, and change nothing.
# posix
printf abc > "$MNT/f"
mkdir "$MNT/d"
is "$(errno_of "os.truncate('$MNT/f', -1)")" EINVAL
is "$(errno_of "os.truncate('$MNT/d', 0)")" EISDIR
is "$(errno_of "os.truncate('$MNT/none', 0)")" ENOENT
is "$(errno_of "os.ftruncate(os.open('$MNT/f', os.O_RDONLY), 0)")" EINVAL
is "$(cat "$MNT/f")" abc
