# A bit that flipped anywhere, or an end that is missing, is found; and nothing is left of what was begun.
# timeout: 120
mkdir source
random_bytes 5000000 > source/large
random_bytes 1000 > source/small
ln -s small source/link
"$GMEMFS" save source snapshot
size=$(size_of snapshot)
for at in 0 9 13 20 60 150 300 390 450 5000 2000000 4194400 $((size - 1200)) $((size - 29)) $((size - 1)); do
    python3 - "$at" <<'END'
import sys
data = bytearray(open("snapshot", "rb").read())
data[int(sys.argv[1])] ^= 16
open("copy", "wb").write(data)
END
    refuses "read snapshot" "$GMEMFS" restore copy "$MNT"
    nothing ls -A "$MNT"
    refuses "read snapshot" "$GMEMFS" restore --check copy
done
for length in 0 5 8 30 200 4000 4500000 $((size - 29)) $((size - 1)); do
    head -c "$length" snapshot > copy
    refuses "read snapshot" "$GMEMFS" restore copy "$MNT"
    nothing ls -A "$MNT"
done
(cat snapshot; echo more) > copy
refuses "read snapshot" "$GMEMFS" restore copy "$MNT"
refuses "it is none" "$GMEMFS" restore --list "$GMEMFS"
"$GMEMFS" restore snapshot "$MNT"
diff -r source "$MNT"
