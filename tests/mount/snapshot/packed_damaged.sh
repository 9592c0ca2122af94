# A snapshot with images that is damaged, or made up with checksums that fit: refused with what is wrong, and nothing is left, in
# a mount and in a folder.
# timeout: 120
mkdir disk
weights 9000001 --mixed > model
weights 5000000 --seed 3 > other
cp model other "$MNT"
"$GMEMFS" save --pack --quiet "$MNT" snapshot
rm "$MNT/model" "$MNT/other"
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
before=$(used)
refused() { # TEXT
    for where in "$MNT" disk; do
        refuses "$1" "$GMEMFS" restore --packed copy "$where"
        refuses "$1" "$GMEMFS" restore copy "$where"
        nothing ls -A "$where"
    done
    is "$(used)" "$before"
}
size=$(size_of snapshot)
for at in 200 300 400 2000000 $((size / 2)) $((size - 100)) $((size - 10)); do
    python3 - "$at" <<'END'
import sys
data = bytearray(open("snapshot", "rb").read())
data[int(sys.argv[1])] ^= 16
open("copy", "wb").write(data)
END
    refused "read snapshot"
    refuses "read snapshot" "$GMEMFS" restore --check copy
done
head -c $((size - 3000000)) snapshot > copy
refused "cut short"
# The same program's own check finds nothing in these: the images alone are wrong.
made_up() { python3 "$TESTS/snapshot/made_up.py" snapshot copy "$1"; "$GMEMFS" restore --check copy; }
made_up none
mkdir "$MNT/back"
"$GMEMFS" restore copy "$MNT/back"
cmp model "$MNT/back/model"
rm -r "$MNT/back"
made_up header
refused "its checksum is wrong"
made_up table
refused "its checksum is wrong"
made_up chunk
refused ": its checksum is wrong; use another copy"
made_up bytes
refused "it doesn't begin with GMEMPAK1"
made_up size
refused "it is that of a file of"
made_up short
refused "doesn't fit into"
