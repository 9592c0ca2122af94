# A new file of the old name is another file.
# posix
printf old > "$MNT/f"
exec 3< "$MNT/f"
rm "$MNT/f"
printf new > "$MNT/f"
is "$(cat <&3) $(cat "$MNT/f")" "old new"
exec 3<&-
