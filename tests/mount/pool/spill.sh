# --spill=host: what device, mount or limit have no room for is in host memory, and no file; without it, it is refused.
# size: 256M
needs_plain_pool
run() { "$GMEMFS" run --pool "$MNT/work" "$@"; }
expect_error "cuMemAlloc_v2: 2" run "$BUILD/pool/program" needed alloc=200000000 alloc=100000000
expect_error "--spill=disk: it can be host" run --spill=disk true
soon rmdir "$MNT/work"
start_run --spill=host "$BUILD/pool/program" needed alloc=200000000 alloc=100000000 write=5 read=5 alloc=40000000 alloc=40000000 \
    write=6 read=6 alloc=20000000 write=7 read=7 wait free free free wait
said ready
DIR=$MNT/work/program.$PROGRAM_PID
stat() { "$GMEMFS" pool stat --json "$MNT/work" | json "d[0]['$1']"; }
[ "$(stat held)" -le $((256 << 20)) ]
[ "$(stat spilled)" -ge 140000000 ]
is "$(($(stat held) + $(stat spilled) - $(stat used)))" "$(stat idle)"
"$GMEMFS" pool stat "$MNT/work" > said
grep -q 'MiB more is in host memory$' said
go_on
said ready
end_run
soon rmdir "$MNT/work"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"], d["host"]["used"]')" "(0, 0)"
# A limit is of the device's memory.
run --spill=host --limit 64M "$BUILD/pool/program" needed alloc=50000000 alloc=50000000 write=1 read=1 alloc=1000 write=2 read=2
soon rmdir "$MNT/work"
