# Two processes share a file's memory: each finds with a kernel what the other's kernel wrote, and so does read(2).
"$BUILD/test-client" --driver "$BUILD/sim/libcuda.so.1" "$MNT" | tee said
says "test-client: PASS" tail -n 1 said
grep -q "^child: PASS" said
nothing ls "$MNT"
