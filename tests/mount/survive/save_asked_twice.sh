# Whoever asks a second time to end is told to wait: the save goes on, and nothing is lost by impatience.
# mount: none
# env: GMEMFS_SIM_FAULTS=cuMemcpyDtoHAsync~5ms
mkdir kept
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$PWD/kept/snapshot" --log="$PWD/log"
random_bytes 120M > "$MNT/f"
sum_of() { dd if="$1" bs=1M status=none | sha256sum; } # a request is slow here
sum=$(sum_of "$MNT/f")
pid=$(server_pid)
supervisor=$(ps -o ppid= -p "$pid" | tr -d ' ')
asked=0
while kill -TERM "$pid" 2> /dev/null && [ -d "/proc/$supervisor" ]; do
    kill -TERM "$supervisor" 2> /dev/null || true
    kill -USR2 "$pid" 2> /dev/null || true # what `gmemfs restart` sends
    sleep 0.01
    asked=$((asked + 1))
done
gone "$supervisor"
[ "$asked" -lt 3 ] || grep -q "asked to end again" log # a busy machine may leave this shell no turn
"$GMEMFS" restore --check kept/snapshot
"$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$PWD/kept/snapshot"
is "$(sum_of "$MNT/f")" "$sum"
"$GMEMFS" umount --discard "$MNT"
