# save --pack takes the images of files in host memory, where they are in pieces, too; and makes those of files that lie there plain.
weights 9000001 --mixed > model
for name in packed plain; do cp model "$MNT/$name"; done
"$GMEMFS" pack -q --host "$MNT/packed"
where "$MNT/packed" > before
is "$("$GMEMFS" save --pack --json "$MNT" snapshot | json 'd["packed"]["files"]')" 2
where "$MNT/packed" | cmp - before
is "$(where "$MNT/plain")" device
mkdir "$MNT/back"
"$GMEMFS" restore --as-saved snapshot "$MNT/back"
is "$(where "$MNT/back/packed") $(where "$MNT/back/plain")" "packed device"
cmp model "$MNT/back/packed"
cmp model "$MNT/back/plain"
"$GMEMFS" cp "$MNT/packed" out
cmp model out
where "$MNT/packed" | cmp - before
