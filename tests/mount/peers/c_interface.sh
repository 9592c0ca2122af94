# libgmemfs as a C program uses it.
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" "$BUILD/client/c_test" "$MNT"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["peers"], d["leases"]')" "(0, 0)"
