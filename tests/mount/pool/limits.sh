# --limit is all that a process can have, and all that it is told of; the mount's capacity is a limit, too.
# size: 512M
# options: --capacity 256M
needs_plain_pool
run() { "$GMEMFS" run --pool "$MNT/work" "$@"; }
is "$(run --limit 100M "$BUILD/pool/program" needed info)" "info 104857600 104857600"
is "$(run --limit 100M "$BUILD/pool/program" needed alloc=90000000 free alloc=1000 free info)" "info 104857600 104857600"
expect_error "cuMemAlloc_v2: 2" run --limit 100M "$BUILD/pool/program" needed alloc=90000000 alloc=90000000
expect_error "cuMemCreate: 2" run --limit 100M "$BUILD/pool/program" needed alloc=90000000 create=0x2000000
expect_error "cuMemAlloc_v2: 2" run "$BUILD/pool/program" needed alloc=200000000 alloc=90000000
run --limit 4M "$BUILD/pool/program" needed alloc=1000000 alloc=1000000 write=1 read=1 # an arena smaller than others
run "$BUILD/pool/program" needed alloc=120000000 free alloc=240000000 write=1 read=1
soon rmdir "$MNT/work"
run "$BUILD/pool/program" needed try=300000000 hang-up > said # seen to hang up while it still lives
is "$(cat said)" "allocated: 2"
soon rmdir "$MNT/work"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
expect_error "cuMemAlloc_v2: 2" run "$BUILD/pool/program" needed alloc=300000000 # whose directory has had nothing in it
soon rmdir "$MNT/work"
