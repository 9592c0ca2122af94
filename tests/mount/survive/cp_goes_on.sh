# SIGKILL in the middle of a cp: with a supervisor nobody notices; the same where the keeper is killed, too, is an error.
# mount: none
# timeout: 120
needs_linux_that_asks_again
size=$((1 << 30))
"$GMEMFS" mount "$MNT" --simulate=3G --log="$PWD/log"
openssl enc -aes-128-ctr -pass pass:x -nosalt -in /dev/zero 2>/dev/null | head -c $size > source || true
is "$(size_of source)" $size
begun() { for _ in $(seq 2000); do [ "$(size_of "$MNT/$1" 2>/dev/null || echo 0)" -gt $((64 << 20)) ] && return; sleep 0.005; done; false; }
under_way() { [ "$(size_of "$MNT/$1")" -lt $size ]; } # at the moment of the kill, or the test says nothing

cp source "$MNT/whole" &
copying=$!
begun whole
server=$(server_pid)
under_way whole
kill -KILL "$server"
wait "$copying"
cmp source "$MNT/whole"
fails [ "$(server_pid)" = "$server" ]

# Reading, too.
cp "$MNT/whole" back &
copying=$!
for _ in $(seq 2000); do [ "$(size_of back 2>/dev/null || echo 0)" -gt $((64 << 20)) ] && break; sleep 0.005; done
server=$(server_pid)
[ "$(size_of back)" -lt $size ]
kill -KILL "$server"
wait "$copying"
cmp source back
rm back

# The keeper dies in the middle: cp is told (what it wants next can't be had), what it wrote stays, nothing hangs.
cp source "$MNT/part" 2> said &
copying=$!
begun part
under_way part
kill -KILL "$(keeper_pid)"
status=0
timeout 60 tail --pid=$copying -f /dev/null
wait "$copying" || status=$?
[ "$status" != 0 ]
grep -q "Input/output error" said
cmp -n "$(size_of "$MNT/part")" source "$MNT/part"
cmp source "$MNT/whole"
"$GMEMFS" umount "$MNT"
