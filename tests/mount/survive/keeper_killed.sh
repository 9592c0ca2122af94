# When the keeper dies the server says so, goes on serving what is mapped, and refuses what it can't do.
random_bytes 3M > source
cp source "$MNT/f"
crash_server "$(keeper_pid)"
for _ in $(seq 100); do grep -q "the keeper has died" "$LOG" && break; sleep 0.05; done
grep -q "keeper error: the keeper has died" "$LOG"
cmp source "$MNT/f"
dd if=source of="$MNT/f" bs=1M count=1 seek=1 conv=notrunc status=none
dd if=source bs=1M count=1 status=none | cmp - <(dd if="$MNT/f" bs=1M count=1 skip=1 status=none)
is "$(errno_of "os.truncate('$MNT/f', 64 << 20)")" EIO
is "$(size_of "$MNT/f")" 3145728
is "$("$GMEMFS" stat --json "$MNT" | json 'd["keeper"]')" dead
rm "$MNT/f"
