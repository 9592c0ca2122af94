# A keeper that is stopped (SIGSTOP, a debugger): what is there is read and written; what needs it fails after its patience of
# 10 s, and then at once; `gmemfs restart` puts it right when it runs again. Unmounted meanwhile, it ends when it does.
# mount: none
# timeout: 120
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
random_bytes 3M > source
cp source "$MNT/f"
keeper=$(keeper_pid)
[ -n "$keeper" ]
kill -STOP "$keeper"
dd if=source of="$MNT/f" bs=1M conv=notrunc status=none
cmp source "$MNT/f"
start=$SECONDS
is "$(errno_of "os.truncate('$MNT/f', 64 << 20)")" EIO
[ $((SECONDS - start)) -ge 9 ]
[ $((SECONDS - start)) -le 25 ]
start=$SECONDS
for _ in 1 2 3; do is "$(errno_of "os.truncate('$MNT/f', 64 << 20)")" EIO; done
[ $((SECONDS - start)) -lt 9 ]
cmp source "$MNT/f"
grep -q "no answer for 10 s: is it stopped? .gmemfs restart. when it runs" log
kill -CONT "$keeper"
"$GMEMFS" restart "$MNT"
truncate -s 64M "$MNT/f"
cmp -n 3145728 source "$MNT/f"
is "$(keeper_pid)" "$keeper"

kill -STOP "$keeper"
is "$(errno_of "os.truncate('$MNT/f', 128 << 20)")" EIO
"$GMEMFS" umount "$MNT"
kill -CONT "$keeper"
gone "$keeper"
