# With --page-cache, too, images are read and written past what the page cache has of their files.
# options: --page-cache
weights 9000001 --mixed > model
cp model "$MNT/plain"
cp model "$MNT/packed"
"$GMEMFS" pack -q "$MNT/packed"
cmp model "$MNT/packed"
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | json 'd["packed"]["files"]')" 2
is "$(where "$MNT/plain") $(where "$MNT/packed")" "device packed"
mkdir "$MNT/back"
"$GMEMFS" restore --as-saved --verify snapshot "$MNT/back"
cmp model "$MNT/back/plain"
cmp model "$MNT/back/packed"
is "$(where "$MNT/back/plain") $(where "$MNT/back/packed")" "device packed"
