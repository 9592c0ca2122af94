# What a process has, it can read itself, in C and in Python, and others by its directory.
# size: 512M
needs_plain_pool
start_run "$BUILD/client/pool_test"
numbers="512000 used, 1024000 at most, 500 blocks of 1000, 67108864 held, 66084864 idle, 66084864 in one piece"
said "$numbers"
said "pool_test 512000"
said ready
here=$MNT/work/pool_test.$PROGRAM_PID
is "$("$BUILD/client/pool_test" "$here" | head -n 1)" "$numbers"
is "$("$BUILD/client/pool_test" "$here/" | tail -n 1)" "pool_test 512000"
cat > read.py <<'END'
import errno, gmemfs, sys
info = gmemfs.pool_info(sys.argv[1])
print(info.used, info.used_most, info.blocks, info.allocations, info.libraries, info.fragmentation)
assert info.idle_largest == info.idle == 66084864 and info.limit is None and info.kinds["managed"] == (0, 0)
assert info.kinds["graph_nodes"] == (0, None) and 900 < sum(info.allocation_times.values()) < 1100
assert all(ns & (ns - 1) == 0 for ns in info.allocation_times)
for directory, code in ((None, errno.ENOENT), (sys.argv[1] + "/..", errno.EINVAL), ("/no/such.1", errno.ENOENT)):
    try:
        gmemfs.pool_info(directory)
        raise SystemExit("what isn't there was read")
    except OSError as error:
        assert error.errno == code, error
END
is "$(peer_python read.py "$here")" "512000 1024000 500 1000 {'pool_test': 512000} 0.0"
end_run
refusal() { "$BUILD/client/pool_test" "$1" 2>&1 || true; }
soon test ! -e "$here"
is "$(refusal "$here")" "read pool: look into process: $here (No such file or directory)"
"$GMEMFS" run --keep --pool "$MNT/work" "$BUILD/pool/program" needed alloc=40000000
kept=$(echo "$MNT"/work/program.*)
is "$(refusal "$kept")" "read pool: look into process: ${kept##*.} (No such file or directory)"
