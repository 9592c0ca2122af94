# libgmemfs as a C program uses it.
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" "$BUILD/client/c_test" "$MNT"
no_peers_left
