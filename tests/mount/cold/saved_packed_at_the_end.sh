# --on-shutdown=save-packed: a mount that holds more than would fit plain ends and begins again, what was packed is packed, and what
# wasn't isn't. With save: the next mount has no room, says so, and loses nothing.
# mount: none
# timeout: 120
for seed in 1 2 3; do weights 14680064 --seed "$seed" > "$seed"; done
weights 4194304 --seed 9 > plain
start() { "$GMEMFS" mount "$MNT" --simulate="$SIZE" --capacity 45M --on-shutdown="$1:$PWD/at_end"; }
start save-packed
is "$(xattr user.gmemfs.on_shutdown "$MNT")" "save-packed:$PWD/at_end"
for seed in 1 2 3; do
    cp "$seed" "$MNT/$seed"
    "$GMEMFS" pack -q "$MNT/$seed"
done
cp plain "$MNT/plain"
"$GMEMFS" umount "$MNT"
[ "$(size_of at_end)" -lt $((36 << 20)) ]
for round in 1 2; do
    start save-packed
    is "$(where "$MNT/1") $(where "$MNT/2") $(where "$MNT/3") $(where "$MNT/plain")" "packed packed packed device"
    for file in 1 2 3 plain; do cmp "$file" "$MNT/$file"; done
    "$GMEMFS" umount "$MNT"
done
cp at_end kept
start save
"$GMEMFS" umount "$MNT" # plain bytes
expect_error "45 MiB are free" start save
cp kept at_end
start save
for file in 1 2 3 plain; do cmp "$file" "$MNT/$file"; done
"$GMEMFS" umount --discard "$MNT"
