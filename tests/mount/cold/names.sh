# Names have nothing to do with it: rename, hard links, unlink, also of a file that is open.
used() { xattr user.gmemfs.stats "$MNT" | json 'd["used"]'; }
weights 8388608 > model
cp model "$MNT/a"
"$GMEMFS" pack "$MNT/a"
ln "$MNT/a" "$MNT/link"
mkdir "$MNT/d"
mv "$MNT/a" "$MNT/d/b"
is "$(where "$MNT/d/b") $(where "$MNT/link")" "packed packed"
cmp model "$MNT/link"
"$GMEMFS" unpack "$MNT/link"
is "$(where "$MNT/d/b")" device
"$GMEMFS" pack "$MNT/d/b"
rm "$MNT/d/b"
is "$(where "$MNT/link")" packed
cmp model "$MNT/link"
# Renamed over: the one that was there goes, the other is as it was.
cp model "$MNT/over"
"$GMEMFS" pack "$MNT/over"
is "$(used)" $((12 << 20))
mv "$MNT/link" "$MNT/over"
is "$(where "$MNT/over") $(used)" "packed $((6 << 20))"
cmp model "$MNT/over"
# Without a name it lives as long as it is open, and can be read, packed and woken.
exec 7<> "$MNT/over"
rm "$MNT/over"
cmp model - <&7
PYTHONPATH="$TESTS/cold" python3 -c 'from control import *
assert wake("/dev/fd/7")[2] is False and pack("/dev/fd/7")[2] is True'
printf x | dd of=/dev/fd/7 bs=1 seek=5 conv=notrunc status=none
is "$(used)" $((8 << 20))
exec 7>&-
for _ in $(seq 100); do [ "$(used)" != 0 ] || break; sleep 0.05; done
is "$(used)" 0
