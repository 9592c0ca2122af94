# The mount's root is a directory to map like any other: the broker's socket is in it, not beside it.
mkdir -p "$MNT/a/b"
for folder in "$MNT" "$MNT/a" "$MNT/a/b"; do
    truncate -s 100 "$folder/f"
    is "$(peer_python -c 'import gmemfs, sys
print({name: mapping.size for name, mapping in gmemfs.map_directory(sys.argv[1]).items()})' "$folder")" "{'f': 100}"
done
