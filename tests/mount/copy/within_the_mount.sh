# cp from file to file of one mount; the copy is a file of its own.
# posix
random_bytes 9000001 > source
cp source "$MNT/a"
cp "$MNT/a" "$MNT/b"
cmp source "$MNT/b"
echo changed > "$MNT/a"
cmp source "$MNT/b"
