# libgmemfs as a C++ program uses it, with every kind of handle.
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" "$BUILD/client/cpp_test" "$MNT"
no_peers_left
