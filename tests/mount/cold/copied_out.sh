# gmemfs cp out of a packed file leaves it packed, also where it verifies the copy; in, it is as before.
weights 9000001 --mixed > model
cp model "$MNT/model"
"$GMEMFS" pack -q "$MNT/model"
generation=$(xattr user.gmemfs.generation "$MNT/model")
for options in "" --verify "--threads 1" --atomic; do
    # shellcheck disable=SC2086
    "$GMEMFS" cp $options "$MNT/model" out
    cmp model out
    is "$(where "$MNT/model") $(xattr user.gmemfs.generation "$MNT/model")" "packed $generation"
    rm out
done
"$GMEMFS" cp "$MNT/model" - | cmp - model
"$GMEMFS" cp -r "$MNT" folder
cmp model folder/model
is "$(where "$MNT/model")" packed
"$GMEMFS" cp --verify "$MNT/model" "$MNT/copy"
cmp model "$MNT/copy"
is "$(where "$MNT/model") $(where "$MNT/copy")" "packed device"
weights 9000001 --seed 9 > other
"$GMEMFS" cp --verify other "$MNT/model"
is "$(where "$MNT/model")" device
cmp other "$MNT/model"
