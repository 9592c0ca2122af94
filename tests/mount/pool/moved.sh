# gmemfs mv leaves a running program's memory on its device, and gives it another name there; what the program left it moves.
# mount: none
needs_plain_pool
export GMEMFS_SIM_DEVICES=256M,256M
"$GMEMFS" mount "$MNT" --simulate --device all
mkdir "$MNT/0" "$MNT/1"
for device in 0 1; do setfattr -n user.gmemfs.device -v "$device" "$MNT/$device"; done
start_run --keep "$BUILD/pool/program" needed alloc=3000 write=1 wait
said ready
here=$MNT/work/program.$PROGRAM_PID
refuses "arena-0: it is memory of a running program" "$GMEMFS" mv "$here/arena-0" "$MNT/1"
refuses "arena-0: it is memory of a running program" "$GMEMFS" mv "$here" "$MNT/1"
nothing ls -A "$MNT/1"
"$GMEMFS" mv "$here/arena-0" "$MNT/0/work" # a rename
was=$(stat -c %i "$MNT/0/work")
echo other > other
refuses "other to $MNT/0/work (Device or resource busy)" "$GMEMFS" mv other "$MNT/0/work"
is "$(cat other)" other
is "$(ls -A "$MNT/0")" work
is "$(stat -c %i "$MNT/0/work")" "$was"
end_run
"$GMEMFS" mv "$MNT/0/work" "$MNT/1"
is "$(head -c 3000 "$MNT/1/work" | tr -d '\1' | wc -c)" 0
"$GMEMFS" umount "$MNT"
