# A peer of a simulated mount that opens another driver is told which one to set; it is what the mount says.
if has_driver; then skip "this machine has a driver"; fi
truncate -s 2M "$MNT/f"
expect_error "set GMEMFS_DRIVER=$(xattr user.gmemfs.driver "$MNT/f")" "$BUILD/client/c_test" "$MNT"
[ -z "${SANITIZE:-}" ] || exit 0 # a Python that isn't instrumented can't load a library that is
cat > peer.py << 'EOF'
import sys
import gmemfs
print(gmemfs.open(sys.argv[1]).map().size)
EOF
export PYTHONPATH="$TESTS/../../client/python" GMEMFS_LIBRARY="$BUILD/libgmemfs.so"
expect_error "set GMEMFS_DRIVER=$BUILD/sim/libcuda.so.1" python3 peer.py "$MNT/f"
is "$(GMEMFS_DRIVER=$(xattr user.gmemfs.driver "$MNT") python3 peer.py "$MNT/f")" $((2 << 20))
