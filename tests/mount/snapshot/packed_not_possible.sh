# Files that can't be packed for a snapshot are saved plain, and said: those that peers have, and those for whose image there is
# no room. Of the room of one image many files make use.
# options: --capacity 46M
weights 8388608 > model
for name in one two three; do cp model "$MNT/$name"; done
reasons() { json '[d["packed"][name] for name in ("files", "plain_busy", "plain_without_room")]'; }
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | reasons)" "[3, 0, 0]"
truncate -s 16M "$MNT/filler" # 6 are left, which is what an image takes; that of the filler needs a granule
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | reasons)" "[4, 0, 0]"
truncate -s 20M "$MNT/filler"
"$GMEMFS" pack -q "$MNT/filler" # a granule
truncate -s 18M "$MNT/other"
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | reasons)" "[2, 0, 3]"
says "2 files packed, .*; 3 saved plain: no room for an image beside them" "$GMEMFS" save --pack "$MNT" snapshot
rm "$MNT/other" "$MNT/filler"
xattr user.fabric_handle "$MNT/one" > handle
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | reasons)" "[2, 1, 0]"
rm "$MNT/two" "$MNT/three"
mkdir "$MNT/back"
"$GMEMFS" restore --packed snapshot "$MNT/back"
for name in one two three; do cmp model "$MNT/back/$name"; done
is "$(where "$MNT/back/one") $(where "$MNT/back/two")" "device packed"
