# Where there are no fabric handles the client says who knows why.
# options: --handles=fd
expect_error "gmemfs doctor" "$BUILD/test-client" --driver "$BUILD/sim/libcuda.so.1" "$MNT"
