# SIGKILL in the middle of a cp: with a supervisor nobody notices; the same where the keeper is killed, too, is an error.
# mount: none
# timeout: 120
# A device that takes 5 ms a request, so that a file needn't be large for a cp of it to last; the machine may be busy besides.
# env: GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync~5ms;cuMemcpyDtoHAsync~5ms
needs_linux_that_asks_again
size=$((160 << 20))
"$GMEMFS" mount "$MNT" --simulate=512M --log="$PWD/log"
random_bytes $size > source
begun() { for _ in $(seq 2000); do [ "$(size_of "$1" 2>/dev/null || echo 0)" -gt $((16 << 20)) ] && return; sleep 0.005; done; false; }
# By requests of 1 MiB: cmp(1) of diffutils 3.12 reads 4 KiB at a time, each of which takes the device 5 ms here.
same() { dd if="$2" bs=1M status=none | cmp "$1" -; }
under_way() { [ "$(size_of "$1")" -lt $size ]; } # at the moment of the kill, or the test says nothing

server=$(server_pid)
cp source "$MNT/whole" &
copying=$!
begun "$MNT/whole"
under_way "$MNT/whole"
kill -KILL "$server"
wait "$copying"
same source "$MNT/whole"
differs "$(server_pid)" "$server"

# Reading, too.
server=$(server_pid)
cp "$MNT/whole" back &
copying=$!
begun back
under_way back
kill -KILL "$server"
wait "$copying"
cmp source back
rm back

# The keeper dies in the middle: cp is told (what it wants next can't be had), what it wrote stays, nothing hangs.
keeper=$(keeper_pid)
cp source "$MNT/part" 2> said &
copying=$!
begun "$MNT/part"
under_way "$MNT/part"
kill -KILL "$keeper"
status=0
timeout 60 tail --pid=$copying -f /dev/null
wait "$copying" || status=$?
[ "$status" != 0 ]
grep -q "Input/output error" said
head -c "$(size_of "$MNT/part")" source > head
same head "$MNT/part"
same source "$MNT/whole"
"$GMEMFS" umount "$MNT"
