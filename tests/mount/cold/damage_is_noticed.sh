# options: --allow-inject
# Without parity damage can't be mended: reads of that chunk fail with EIO, waking fails, all else goes on.
weights 8388608 > model
for name in chunk table; do
    cp model "$MNT/$name"
    "$GMEMFS" pack "$MNT/$name"
done
"$GMEMFS" inject "$MNT/chunk" --block 20 --bits 50
"$GMEMFS" inject "$MNT/table" --block 0 --bits 20000
is "$(errno_of "open('$MNT/chunk', 'rb').read()")" EIO
is "$(errno_of "open('$MNT/table', 'rb').read()")" EIO
cmp -n 1000000 model "$MNT/chunk"
for name in chunk table; do
    refuses "can't be unpacked: " "$GMEMFS" unpack "$MNT/$name"
    is "$(errno_of "os.pwrite(os.open('$MNT/$name', os.O_WRONLY), b'x', 5)")" EIO
    is "$(where "$MNT/$name") $(size_of "$MNT/$name")" "packed 8388608"
done
says '^residence .*damaged' "$GMEMFS" stat "$MNT/table"
# The mount lives, and a damaged file can be written anew, or removed.
cp model "$MNT/chunk"
cmp model "$MNT/chunk"
rm "$MNT/table"
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["used"], d["packed"]["files"]')" "(8388608, 0)"
