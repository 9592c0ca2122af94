# A file that has no room is refused whole: nothing is left of it, and the old one is there.
# size: 64M
random_bytes 5M > old
cp old "$MNT/file"
truncate -s 100M large
refuses "No space left" "$GMEMFS" cp large "$MNT/file"
is "$(sha "$MNT/file")" "$(sha old)"
is "$(ls -A "$MNT")" file
