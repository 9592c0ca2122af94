# A file keeps inode and contents, and a directory its children, in another directory.
# posix
mkdir -p "$MNT/a/tree/deep" "$MNT/b"
echo text > "$MNT/a/tree/deep/f"
inode=$(stat -c %i "$MNT/a/tree/deep/f")
mv "$MNT/a/tree" "$MNT/b/moved"
is "$(cat "$MNT/b/moved/deep/f") $(stat -c %i "$MNT/b/moved/deep/f")" "text $inode"
is "$(stat -c %i "$MNT/b/moved/..")" "$(stat -c %i "$MNT/b")"
nothing ls -A "$MNT/a"
is "$(stat -c '%h' "$MNT/a") $(stat -c '%h' "$MNT/b")" "2 3"
