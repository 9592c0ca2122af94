# SIGKILL of the server in the middle of save --pack: it goes on, with images that the next server makes anew; and in the middle
# of restore: that goes on, too. What restores that were killed have left is no more than others leave.
# mount: none
# timeout: 180
# A device that takes its time, so that there is a middle.
# env: GMEMFS_SIM_FAULTS=cuMemcpyDtoHAsync~10ms;cuMemcpyHtoDAsync~10ms
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate=512M --log="$PWD/log"
weights 50000000 > model
cp model "$MNT/plain"
cp model "$MNT/packed"
"$GMEMFS" pack -q "$MNT/packed"
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
before=$(used)
mkdir out
# The size of the file without a name that the process writes in this folder; 0: there is none yet.
part() { # PID FOLDER
    for fd in "/proc/$1/fd"/*; do
        case $(readlink "$fd" || true) in "$2"/*) stat -Lc %s "$fd"; return ;; esac
    done
    echo 0
}
folder=$(realpath out)
for round in 1 2 3; do
    "$GMEMFS" save --pack --json --threads 2 "$MNT" out/snapshot > told & save=$!
    until [ "$(part "$save" "$folder")" -gt $((round * 16000000)) ]; do kill -0 "$save"; done
    crash_server
    wait "$save"
    is "$(json 'd["packed"]["files"]' < told)" 2
    is "$(where "$MNT/plain") $(where "$MNT/packed")" "device packed"
    for _ in $(seq 100); do [ "$(used)" != "$before" ] || break; done
    is "$(used)" "$before"
done
"$GMEMFS" restore --check out/snapshot
mkdir "$MNT/back"
for round in 1 2 3; do
    "$GMEMFS" restore --as-saved --threads 2 out/snapshot "$MNT/back" & restore=$!
    until [ "$(used)" -gt $((before + round * 20000000)) ]; do kill -0 "$restore"; done
    crash_server
    wait "$restore"
    is "$(where "$MNT/back/plain") $(where "$MNT/back/packed")" "device packed"
    for file in plain packed; do dd if="$MNT/back/$file" bs=1M status=none | cmp model -; done
    rm "$MNT/back/plain" "$MNT/back/packed"
done
for _ in $(seq 100); do [ "$(used)" != "$before" ] || break; done
is "$(used)" "$before"
"$GMEMFS" umount "$MNT"
