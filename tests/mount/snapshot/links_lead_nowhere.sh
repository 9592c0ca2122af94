# A symbolic link in the target, or one that the snapshot brings along, leads nothing outside.
mkdir -p source/folder outside
echo new > source/folder/file
"$GMEMFS" save source snapshot
ln -s "$PWD/outside" "$MNT/folder"
refuses "$MNT/folder: use --overwrite" "$GMEMFS" restore snapshot "$MNT"
nothing ls -A outside
"$GMEMFS" restore --overwrite snapshot "$MNT"
nothing ls -A outside
is "$(cat "$MNT/folder/file")" new
fails test -L "$MNT/folder"
echo keep > outside/kept
ln -sf "$PWD/outside/kept" "$MNT/folder/file"
"$GMEMFS" restore --overwrite snapshot "$MNT"
is "$(cat outside/kept) $(cat "$MNT/folder/file")" "keep new"
# Names that lead out, with checksums that are right, are refused.
for name in .. . a/b; do
    python3 - "$name" <<'END'
import struct, sys, zlib
def record(body):
    return struct.pack("<II", len(body), zlib.crc32(body)) + body
def text(value):
    return struct.pack("<I", len(value)) + value
def entry(name, mode, target=b""):
    return record(b"\2" + struct.pack("<II", 0, 0xffffffff) + text(name) + struct.pack("<IIIQQ", mode, 0, 0, 0, 0) +
                  struct.pack("<qIqI", 0, 0, 0, 0) + text(target) + struct.pack("<I", 0))
records = [record(b"\1" + struct.pack("<IQQq", 1, 2, 0, 0)), entry(b"", 0o40755),
           entry(sys.argv[1].encode(), 0o120777, b"/etc")]
crc = 0
for made in records:
    crc = zlib.crc32(made[4:8], crc)
records.append(record(b"\4" + struct.pack("<QQI", 0, 0, crc)))
open("crafted", "wb").write(b"GMEMSNP1" + b"".join(records))
END
    refuses "a name that is none" "$GMEMFS" restore crafted "$MNT"
done
