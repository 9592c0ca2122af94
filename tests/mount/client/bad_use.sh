# What the test client can't use is refused in one line.
client=("$BUILD/test-client" --driver "$BUILD/sim/libcuda.so.1")
is "$(status_of "${client[@]}")" 2
is "$(status_of "${client[@]}" "$MNT" "$MNT")" 2
is "$(status_of "${client[@]}" --nonsense "$MNT")" 2
expect_error "no/such (No such file" "${client[@]}" --child no/such
touch "$MNT/empty"
expect_error "an empty file" "${client[@]}" --child "$MNT/empty"
truncate -s 1M "$MNT/f"
expect_error "no/libcuda" "$BUILD/test-client" --driver no/libcuda --child "$MNT/f"
