# What was copied is verified by digests, one of which the mount's device makes: in, out and within; elsewhere byte by byte.
verified() { json '(d["files_verified_by_digests"], d["files_verified_by_bytes"])'; }
for size in 1 4096 4097 524288 524289 4194304 9000001; do
    random_bytes "$size" > source
    is "$("$GMEMFS" cp --verify --json source "$MNT/a" | verified)" "(1, 0)"
    is "$("$GMEMFS" cp --verify --json "$MNT/a" target | verified)" "(1, 0)"
    is "$("$GMEMFS" cp --verify --json "$MNT/a" "$MNT/b" | verified)" "(1, 0)"
    cmp source target
    cmp source "$MNT/b"
done
is "$("$GMEMFS" cp --json source "$MNT/a" | verified)" "(0, 0)"
is "$("$GMEMFS" cp --verify --json source target | verified)" "(0, 1)"
mkdir folder
for name in one two empty; do random_bytes 5000 > folder/$name; done
: > folder/empty
is "$("$GMEMFS" cp -r --verify --json folder "$MNT" | verified)" "(2, 0)"
