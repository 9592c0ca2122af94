# Two names of one file share everything; it goes with the last.
# posix
echo text > "$MNT/a"
ln "$MNT/a" "$MNT/b"
is "$(stat -c %i:%h "$MNT/a")" "$(stat -c %i:%h "$MNT/b")"
echo more >> "$MNT/b"
rm "$MNT/a"
is "$(cat "$MNT/b") $(stat -c %h "$MNT/b")" $'text\nmore 1'
