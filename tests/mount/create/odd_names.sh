# Any byte but the slash and zero may be in a name.
# posix
for name in ' ' $'new\nline' $'\x01\xff' '-rf' '*' 'ü'; do
    echo "$name" > "$MNT/$name"
    is "$(cat "$MNT/$name")" "$name"
done
is "$(find "$MNT" -type f -printf x)" xxxxxx
