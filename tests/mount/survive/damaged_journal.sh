# A journal that is damaged loses nothing: the mount is refused, says where, and leaves keeper and journal as they are.
# server: killed
random_bytes 1M > "$MNT/f"
for name in a b c d; do touch "$MNT/$name"; done
sum=$(sha "$MNT/f")
kill_server
journal=$(echo "$GMEMFS_RUNTIME_DIR"/*/journal)
cp "$journal" whole
wrong() { # wrong OFFSET: another byte there
    cp whole "$journal"
    python3 -c 'import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(int(sys.argv[2])); byte = file.read(1)[0]
    file.seek(int(sys.argv[2])); file.write(bytes([byte ^ 0x10]))' "$journal" "$1"
    cp "$journal" damaged
}
middle=$(($(journal_end whole) / 2))
for offset in 0 12 $middle $((middle + 20)); do
    wrong $offset
    refuses "it is damaged at byte" "$GMEMFS" mount "$MNT" --simulate="$SIZE"
    cmp "$journal" damaged
    [ -n "$(keeper_pid)" ]
done
# Cut where it says, it is a journal again; put back, all is there.
cp whole "$journal"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(sha "$MNT/f")" "$sum"
is "$(ls "$MNT" | tr '\n' ' ')" "a b c d f "
# Another keeper's journal is refused as well.
kill_server
cp "$journal" whole
wrong 18
python3 -c 'import sys, zlib, struct
data = bytearray(open("whole", "rb").read())
length, = struct.unpack_from("<I", data, 8)
data[17] ^= 1  # the nonce, and its checksum with it
struct.pack_into("<I", data, 12, zlib.crc32(bytes(data[16:16 + length])))
open(sys.argv[1], "wb").write(data)' "$journal"
refuses "is not of this keeper" "$GMEMFS" mount "$MNT" --simulate="$SIZE"
cp whole "$journal"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
is "$(sha "$MNT/f")" "$sum"
"$GMEMFS" umount "$MNT"
