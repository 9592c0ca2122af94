# What packing wouldn't make smaller is left as it is: small files, random bytes, empty files; and it says so.
echo small > "$MNT/small"
touch "$MNT/empty"
random_bytes 8M > random
cp random "$MNT/random"
weights 2097152 > granule
cp granule "$MNT/granule"
for name in small empty random granule; do
    before=$(stat -c '%b %y' "$MNT/$name") generation=$(xattr user.gmemfs.generation "$MNT/$name")
    is "$("$GMEMFS" pack "$MNT/$name")" "$MNT/$name: kept as it is: nothing would be saved"
    is "$(xattr user.gmemfs.residence "$MNT/$name")" '{"where":"device"}'
    is "$(stat -c '%b %y' "$MNT/$name")" "$before"
    is "$(xattr user.gmemfs.generation "$MNT/$name")" "$generation"
    "$GMEMFS" unpack -q "$MNT/$name"
done
cmp random "$MNT/random"
cmp granule "$MNT/granule"
is "$(cat "$MNT/small")" small
is "$("$GMEMFS" pack --json "$MNT/random" | json 'd')" \
    "{'files': [{'held': 8388608, 'path': '$MNT/random', 'plain': 8388608, 'ratio': 1.0, 'residence': 'device'}]}"
