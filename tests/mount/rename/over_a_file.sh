# Renaming onto a file replaces it; who has the old one open keeps it.
# posix
printf old > "$MNT/target"
printf new > "$MNT/source"
exec 3< "$MNT/target"
mv "$MNT/source" "$MNT/target"
is "$(cat "$MNT/target") $(cat <&3)" "new old"
is "$(ls "$MNT")" target
exec 3<&-
