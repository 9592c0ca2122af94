# Each device has a pool, whose files are on that device; and cuCtxEnablePeerAccess opens it to another device, what there is and
# what comes.
# mount: none
needs_plain_pool
export GMEMFS_SIM_DEVICES=256M,256M
"$GMEMFS" mount "$MNT" --simulate --device all
run() { "$GMEMFS" run --pool "$MNT/work" "$BUILD/pool/program" address-12000 "$@"; }
is "$(run alloc=1000 write=7 peer alloc=40000000 write=8 peer | tr '\n' ' ')" "peer 7 peer 8 "
start_run "$BUILD/pool/program" needed alloc=1000 write=7 peer wait
said "peer 7"
said ready
device() { xattr user.gmemfs.extents "$MNT/work/program.$PROGRAM_PID/$1" | json 'd[0]["device"]'; }
differs "$(device arena-0)" "$(device arena-1)"
end_run
soon rmdir "$MNT/work"
"$GMEMFS" umount "$MNT"
