# user.gmemfs.generation changes with the extents, and when changed bytes are whole: at a close, truncate(2), fsync; with nothing
# else. It is unique, and survives the server.
# server: killed
generation() { xattr user.gmemfs.generation "$MNT/$1"; }
touch "$MNT/f"
is "$(generation f)" 0
truncate -s 3M "$MNT/f"
first=$(generation f)
[ "$first" -gt 0 ]
echo text | dd of="$MNT/f" conv=notrunc status=none
second=$(generation f)
[ "$second" -gt "$first" ]
python3 -c 'import os, sys; os.truncate(sys.argv[1], 4 << 20)' "$MNT/f" # in the same granules
third=$(generation f)
[ "$third" -gt "$second" ]
# A new name, a handle, readers, times, other attributes, and writers that have written nothing.
mv "$MNT/f" "$MNT/g"
xattr user.fabric_handle "$MNT/g" > handle
cat "$MNT/g" > /dev/null
touch "$MNT/g"
chmod 640 "$MNT/g"
: >> "$MNT/g"
is "$(generation g)" "$third"
cp "$MNT/g" "$MNT/other"
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(generation g)" "$third"
cmp <(xattr user.fabric_handle "$MNT/g") handle
truncate -s 9M "$MNT/g"
fourth=$(generation g)
[ "$fourth" -gt "$(generation other)" ]
truncate -s 0 "$MNT/g"
truncate -s 9M "$MNT/g"
[ "$(generation g)" -gt "$fourth" ]
# A file that replaces another one brings its own, which may be smaller.
truncate -s 9M "$MNT/new"
new=$(generation new)
truncate -s 8M "$MNT/g"
mv "$MNT/new" "$MNT/g"
is "$(generation g)" "$new"
