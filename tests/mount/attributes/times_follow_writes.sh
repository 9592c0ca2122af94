# Writing and truncating move the modification time; reading doesn't.
# posix
echo text > "$MNT/f"
touch -d 2001-01-01 "$MNT/f"
cat "$MNT/f" > out
is "$(stat -c %Y "$MNT/f")" 978307200
echo more >> "$MNT/f"
[ "$(stat -c %Y "$MNT/f")" -ge 1700000000 ]
touch -d 2001-01-01 "$MNT/f"
truncate -s 100 "$MNT/f"
[ "$(stat -c %Y "$MNT/f")" -ge 1700000000 ]
