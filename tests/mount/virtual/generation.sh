# user.gmemfs.generation changes with the extents, and with nothing else; it is unique, and survives the server.
# server: killed
generation() { xattr user.gmemfs.generation "$MNT/$1"; }
touch "$MNT/f"
is "$(generation f)" 0
truncate -s 3M "$MNT/f"
first=$(generation f)
[ "$first" -gt 0 ]
echo text | dd of="$MNT/f" conv=notrunc status=none
truncate -s 4M "$MNT/f" # in the same granules
mv "$MNT/f" "$MNT/g"
xattr user.fabric_handle "$MNT/g" > handle
is "$(generation g)" "$first"
cp "$MNT/g" "$MNT/other"
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(generation g)" "$first"
cmp <(xattr user.fabric_handle "$MNT/g") handle
truncate -s 9M "$MNT/g"
second=$(generation g)
[ "$second" -gt "$(generation other)" ]
truncate -s 0 "$MNT/g"
truncate -s 9M "$MNT/g"
[ "$(generation g)" -gt "$second" ]
# A file that replaces another one brings its own.
truncate -s 9M "$MNT/new"
new=$(generation new)
mv "$MNT/new" "$MNT/g"
is "$(generation g)" "$new"
