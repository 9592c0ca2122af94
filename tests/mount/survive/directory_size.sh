# A directory has the size that it had when another server takes over.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
mkdir "$MNT/d"
touch "$MNT/d/one" "$MNT/d/two"
"$GMEMFS" restart "$MNT"
is "$(stat -c %s "$MNT/d")" 80
rm "$MNT/d/one"
is "$(stat -c %s "$MNT/d")" 60
"$GMEMFS" umount "$MNT"
