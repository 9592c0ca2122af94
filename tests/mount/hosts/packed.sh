# A packed file travels packed: its image goes, neither end wakes it, and it is packed here; outside of a mount it is plain.
# timeout: 120
here_as_host
weights 40000000 > plain
cp plain "$MNT/file"
"$GMEMFS" pack "$MNT/file"
is "$(where "$MNT/file")" packed
mkdir "$MNT/copy"
told=$(pull --json host:"$MNT/file" "$MNT/copy")
is "$(where "$MNT/copy/file")" packed
is "$(where "$MNT/file")" packed
json 'd["bytes"] < 32000000 or d["bytes"]' <<< "$told" | grep True
cmp plain "$MNT/copy/file"
"$GMEMFS" unpack "$MNT/copy/file"
cmp plain "$MNT/copy/file"

quiet pull host:"$MNT/file" out
cmp plain out
is "$(where "$MNT/file")" packed

# By pieces, where something is there already; a folder with packed and plain files.
printf x | dd of=out bs=1 seek=30000000 conv=notrunc status=none
is "$(pull --resume --json host:"$MNT/file" out | json 'd["bytes"]')" 16777216
cmp plain out
mkdir "$MNT/both"
cp plain "$MNT/both/packed"
"$GMEMFS" pack "$MNT/both/packed"
random_bytes 5000000 > "$MNT/both/plain"
quiet pull -r host:"$MNT/both" "$MNT/both2"
diff -r "$MNT/both" "$MNT/both2"
is "$(where "$MNT/both2/packed") $(where "$MNT/both2/plain")" "packed device"
