# The server makes fabric handles and this peer can't import them: it falls back to descriptors by itself.
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" GMEMFS_SIM_IMEX=0 "$BUILD/client/c_test" "$MNT"
