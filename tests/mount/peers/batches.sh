# Batches of pages as a C program packs them, by the processors and by the simulated nvCOMP.
# mount: none
GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1" "$BUILD/client/batch_test" "$BUILD/sim/libnvcomp.so.6"
