# SIGKILL to the server and its supervisor in the middle of a cp: cp is told; what it had written is there after `gmemfs mount`.
# mount: none
size=$((1 << 30))
"$GMEMFS" mount "$MNT" --simulate=2G
openssl enc -aes-128-ctr -pass pass:x -nosalt -in /dev/zero 2>/dev/null | head -c $size > source || true
cp source "$MNT/part" 2> said &
copying=$!
for _ in $(seq 2000); do [ "$(size_of "$MNT/part" 2>/dev/null || echo 0)" -gt $((64 << 20)) ] && break; sleep 0.005; done
[ "$(size_of "$MNT/part")" -lt $size ]
kill_server
status=0
wait "$copying" || status=$?
[ "$status" != 0 ]
grep -q "not connected\|connection abort" said
"$GMEMFS" mount "$MNT" --simulate=2G
there=$(size_of "$MNT/part")
[ "$there" -ge $((64 << 20)) ]
cmp -n "$there" source "$MNT/part"
"$GMEMFS" umount "$MNT"
