# A child that finds other bytes than the parent's says so: the check can fail.
truncate -s 8M "$MNT/shared"
expect_error "words of the mapping differ" "$BUILD/test-client" --driver "$BUILD/sim/libcuda.so.1" --child "$MNT/shared"
