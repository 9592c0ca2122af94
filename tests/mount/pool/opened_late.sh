# The server gives itself access to a program's memory when somebody reads it, and not before: here it can't.
# mount: none
# size: 512M
needs_plain_pool
GMEMFS_SIM_FAULTS="cuMemSetAccess#1+=OUT_OF_MEMORY" "$GMEMFS" mount "$MNT" --simulate="$SIZE" 2> /dev/null
start_run "$BUILD/pool/program" needed alloc=40000000 write=4 read=4 alloc=1000 wait free free wait
said ready
here=$MNT/work/program.$PROGRAM_PID
is "$(ls "$here" | tr '\n' ' ')" "alloc-000000-40MiB arena-0 "
expect_error "No space left on device" head -c 1 "$here/arena-0"
"$GMEMFS" cp "$here/alloc-000000-40MiB" copy # by this process's own access
is "$(head -c 40000000 copy | tr -d '\4' | wc -c)" 0
go_on
said ready
end_run
soon test ! -e "$here"
"$GMEMFS" umount "$MNT"
