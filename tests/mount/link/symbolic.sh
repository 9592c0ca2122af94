# A symbolic link keeps its text, and is followed where it leads.
# posix
ln -s target "$MNT/link"
is "$(readlink "$MNT/link") $(stat -c %s:%F "$MNT/link")" "target 6:symbolic link"
expect_error "No such file" cat "$MNT/link"
echo text > "$MNT/link"
is "$(cat "$MNT/target")" text
mkdir "$MNT/d"
ln -s ../target "$MNT/d/up"
is "$(cat "$MNT/d/up")" text
rm "$MNT/link"
is "$(cat "$MNT/target")" text
