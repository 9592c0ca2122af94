# nbd_load's blocks say themselves what they should be: all right while what serves them is killed, and damage is found.
# timeout: 120
truncate -s 32M "$MNT/disk"
serve "$MNT/disk"
load=$BUILD/bench/nbd_load
"$load" --socket "$NBD_SOCKET" --verify --seconds 60 --seed 5 > told &
loading=$!
for _ in 1 2 3; do
    has_spare "$MNT/disk"
    kill -KILL "$(device_says "$MNT/disk" 'd["worker"]["pid"]')"
done
has_spare "$MNT/disk"
kill -TERM "$loading"
wait "$loading"
is "$(json 'd["wrong_blocks"], d["refused"], d["unanswered"]' < told)" "(0, 0, 0)"
is "$(json 'd["reconnects"] >= 3, d["blocks_checked"] >= 8192' < told)" "(True, True)"
# What somebody else writes meanwhile is found.
"$load" --socket "$NBD_SOCKET" --verify --seconds 60 --seed 6 > told &
loading=$!
timeout 20 bash -c 'until [ "$(tail -c 4K "$1" | od -An -tu1 -N1)" -eq 6 ]; do :; done' - "$MNT/disk"
dd if=/dev/zero of="$MNT/disk" bs=1M count=32 conv=notrunc status=none
kill -TERM "$loading"
fails wait "$loading"
is "$(json 'd["wrong_blocks"] > 0, d["refused"], d["unanswered"]' < told)" "(True, 0, 0)"
"$GMEMFS" block --detach "$MNT/disk"
