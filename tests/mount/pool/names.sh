# A pool's file may have further names, which can be taken away again, but for the last one; all of them go with the memory, and with
# the process the empty directories that they were in.
# mount: none
# size: 512M
needs_plain_pool
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
start_run "$BUILD/pool/program" needed alloc=3000 write=1 alloc=40000000 write=2 wait free wait
said ready
here=$MNT/work/program.$PROGRAM_PID
mkdir -p "$here/kv/deep" "$MNT/elsewhere"
ln "$here/alloc-000000-40MiB" "$here/kv/deep/large"
ln "$here/arena-0" "$here/kv/small"
ln "$here/arena-0" "$MNT/elsewhere/small"
is "$(head -c 100 "$here/kv/deep/large" | tr -d '\2' | wc -c)" 0
rm "$here/arena-0"
echo other > other
mv other "$MNT/elsewhere/small"
expect_error "Device or resource busy" rm -f "$here/kv/small"
expect_error "Device or resource busy" mv "$MNT/elsewhere/small" "$here/kv/small"
is "$(du --block-size=1M -s "$here/kv" | cut -f 1)" $((40 + 64))
go_on
said ready
soon test ! -e "$here/kv/deep/large"
crash_server
is "$(head -c 3000 "$here/kv/small" | tr -d '\1' | wc -c)" 0
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
soon test ! -e "$here"
is "$(cat "$MNT/elsewhere/small")" other
"$GMEMFS" umount "$MNT"
