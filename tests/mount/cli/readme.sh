# The README's first example holds as it stands, line by line, on the simulator.
# mount: none
mkdir bin
ln -s "$GMEMFS" bin/gmemfs
PATH=$PWD/bin:$PATH
random_bytes 3M > model.safetensors
random_bytes 1M > tokens
sed -n '/^    gmemfs mount \/mnt\/gpu$/,/^$/p' "$TESTS/../../README.md" | sed '/^$/d' |
    sed "s|/mnt/gpu|$MNT|g; s|gmemfs mount|gmemfs mount --simulate=2G|" > example
grep -q truncate example
grep -q getfattr example
while read -r line; do
    eval "$line" > said
    read -r command _ size file _ <<< "$line"
    [ "$command" != truncate ] || { made=$file bytes=$(numfmt --from=iec "$size") generation=$(xattr user.gmemfs.generation "$file"); }
done < example
cmp model.safetensors "$MNT/weights"
# The memory that truncate made is there still, and is what a handle from the line after it leads to.
is "$(size_of "$made") $(xattr user.gmemfs.generation "$made")" "$bytes $generation"
cmp -n $((1 << 20)) tokens "$made"
"$GMEMFS" umount "$MNT"
