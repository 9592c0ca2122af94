# Two names of one file share everything; it goes with the last.
# posix
echo text > "$MNT/a"
ln "$MNT/a" "$MNT/b"
is "$(stat -c %i:%h "$MNT/a" "$MNT/b" | sort -u)" "$(stat -c %i "$MNT/a"):2"
echo more >> "$MNT/b"
rm "$MNT/a"
is "$(cat "$MNT/b") $(stat -c %h "$MNT/b")" $'text\nmore 1'
