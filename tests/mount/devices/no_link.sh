# Where two devices don't reach each other, the server's log says so at the first copy between them, once a pair, and nothing where
# they do.
# mount: none
# server: killed
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=3x64M GMEMFS_SIM_PEERS=0-1
random_bytes 3000001 > noise
"$GMEMFS" mount "$MNT" --simulate --device all --log="$PWD/log"
devices=$("$GMEMFS" stat --json "$MNT" | json '" ".join(d["uuid"] for d in d["devices"])')
read -ra uuid <<< "$devices"
for device in 0 1 2; do
    mkdir "$MNT/$device"
    setfattr -n user.gmemfs.device -v "$device" "$MNT/$device"
done
said() {
    local text="vmm warning: devices $1 (${uuid[$1]}) and $2 (${uuid[$2]}) have no peer access: copies between them go through host memory"
    grep -c "$text; .gmemfs doctor. tells which" log || true
}
cp noise "$MNT/0"
cp "$MNT/0/noise" "$MNT/1"
cp "$MNT/1/noise" "$MNT/0"
is "$(grep -c "no peer access" log || true)" 0
for file in a b; do
    cp "$MNT/0/noise" "$MNT/2/$file"
    cp "$MNT/2/$file" "$MNT/0/$file"
    is "$(said 0 2)" 1
done
cp "$MNT/2/a" "$MNT/1/a"
cp "$MNT/1/a" "$MNT/2/c"
is "$(said 2 1)" 1
is "$(grep -c "no peer access" log)" 2
cmp noise "$MNT/2/c"
kill_server
"$GMEMFS" mount "$MNT" --simulate --device all --log="$PWD/log" # another server
"$GMEMFS" mv "$MNT/2/c" "$MNT/0"
is "$(said 2 0)" 1
"$GMEMFS" umount "$MNT"
