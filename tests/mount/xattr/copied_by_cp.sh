# cp -a copies a file with its user attributes, within the mount too, and complains of nothing.
# posix
echo text > "$MNT/a"
setfattr -n user.tag -v mine "$MNT/a"
quiet cp -a "$MNT/a" "$MNT/b"
is "$(cat "$MNT/b") $(xattr user.tag "$MNT/b")" "text mine"
