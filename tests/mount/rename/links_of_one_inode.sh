# Renaming one link of a file onto another does nothing.
# posix
echo text > "$MNT/a"
ln "$MNT/a" "$MNT/b"
is "$(errno_of "os.rename('$MNT/a', '$MNT/b')")" OK
is "$(cat "$MNT/a" "$MNT/b")" $'text\ntext'
is "$(stat -c %h "$MNT/a")" 2
