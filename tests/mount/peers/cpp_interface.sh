# libgmemfs as a C++ program uses it, with every kind of handle.
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" "$BUILD/client/cpp_test" "$MNT"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["peers"], d["leases"]')" "(0, 0)"
