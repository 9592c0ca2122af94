# Attributes stay with the inode through rename and link.
# posix
touch "$MNT/a"
setfattr -n user.tag -v mine "$MNT/a"
ln "$MNT/a" "$MNT/b"
mv "$MNT/a" "$MNT/c"
is "$(xattr user.tag "$MNT/b") $(xattr user.tag "$MNT/c")" "mine mine"
