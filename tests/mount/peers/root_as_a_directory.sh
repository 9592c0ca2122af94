# The mount's root is a directory to map like any other: the broker's socket is in it, not beside it.
[ -z "${SANITIZE:-}" ] || skip "Python can't load a library that was built with a sanitizer"
mkdir -p "$MNT/a/b"
for folder in "$MNT" "$MNT/a" "$MNT/a/b"; do
    truncate -s 100 "$folder/f"
    is "$(GMEMFS_DRIVER=$BUILD/sim/libcuda.so.1 GMEMFS_LIBRARY=$BUILD/libgmemfs.so PYTHONPATH=$TESTS/../../client/python \
        python3 -c 'import gmemfs, sys
print({name: mapping.size for name, mapping in gmemfs.map_directory(sys.argv[1]).items()})' "$folder")" "{'f': 100}"
done
