# Eight devices of different sizes, of which some don't reach each other: files on all of them, copies between all pairs, one that is full,
# and a restart.
# mount: none
# timeout: 180
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=32M,48M,64M,40M,96M,32M,56M,128M GMEMFS_SIM_PEERS=0-1,0-2,1-3,2-3,3-4,4-5,6-7,1-7
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --log="$PWD/log"
stat_of() { "$GMEMFS" stat --json "$MNT" | json "$1"; }
place_of() { xattr user.gmemfs.extents "$1" | json '",".join(sorted({str(int(e["device"][-2:], 16)) for e in d}))'; }
is "$(stat_of '[d["total"] >> 20 for d in d["devices"]]')" "[32, 48, 64, 40, 96, 32, 56, 128]"
is "$(stat_of 'd["capacity"] >> 20')" 496
for device in 0 1 2 3 4 5 6 7; do
    mkdir "$MNT/$device"
    setfattr -n user.gmemfs.device -v "$device" "$MNT/$device"
    random_bytes $((1500000 + device)) > "bytes.$device"
    cp "bytes.$device" "$MNT/$device/file"
    echo "$device" > "$MNT/$device/small"
    is "$(place_of "$MNT/$device/file")" "$device"
done
# Each device to each other one, over a link or by way of the host.
for from in 0 1 2 3 4 5 6 7; do
    for to in 0 1 2 3 4 5 6 7; do
        cp "$MNT/$from/file" "$MNT/$to/copy"
        cmp "bytes.$from" "$MNT/$to/copy"
        is "$(place_of "$MNT/$to/copy")" "$to"
        rm "$MNT/$to/copy"
    done
done
# A large one, twice, which is worth opening the source to the other device: where there is a link, and where there is none.
random_bytes 36000000 > large
cp large "$MNT/4/large"
for to in 2 7; do
    for copy in first second; do
        "$GMEMFS" cp --verify "$MNT/4/large" "$MNT/$to/$copy"
        cmp large "$MNT/$to/$copy"
        rm "$MNT/$to/$copy"
    done
done
# Files that nobody places go where there is most room, and so they fill the largest first.
for number in $(seq 6); do
    truncate -s 16M "$MNT/anywhere.$number"
    place_of "$MNT/anywhere.$number"
done > places
is "$(head -n 3 places | sort -u)" 7
differs "$(sort -u places | wc -l)" 1
rm "$MNT"/anywhere.*
# One that is full: ENOSPC there, and nowhere else.
is "$(errno_of "import os; os.truncate(os.open('$MNT/3/fill', os.O_CREAT | os.O_RDWR), 64 << 20)")" ENOSPC
truncate -s 28M "$MNT/3/fill"
touch "$MNT/3/more"
is "$(errno_of "import os; os.truncate('$MNT/3/more', 12 << 20)")" ENOSPC
for device in 0 1 2 4 5 6 7; do
    truncate -s 8M "$MNT/$device/more"
    cp "bytes.$device" "$MNT/$device/more"
    cmp "bytes.$device" "$MNT/$device/more"
done
# Each full to the brim, side by side.
for device in 0 1 2 3 4 5 6 7; do
    { head -c 200M /dev/zero > "$MNT/$device/zeros"; } 2> /dev/null && exit 1 &
done
wait
for device in 0 1 2 3 4 5 6 7; do
    is "$(place_of "$MNT/$device/zeros")" "$device"
    cmp "bytes.$device" "$MNT/$device/file"
done
is "$(stat_of '[d["ordinal"] for d in d["devices"] if d["free"] > 12 << 20]')" "[]"
check() {
    for device in 0 1 2 3 4 5 6 7; do
        cmp "bytes.$device" "$MNT/$device/file"
        is "$(cat "$MNT/$device/small")" "$device"
        is "$(place_of "$MNT/$device/file")" "$device"
        is "$(xattr user.gmemfs.device "$MNT/$device" | tail -c 1)" "$device"
    done
    cmp large "$MNT/4/large"
}
"$GMEMFS" restart "$MNT"
check
kill_server
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --log="$PWD/log"
check
# Where a device was full to the brim there may have been no room for parity.
rm "$MNT"/?/zeros
"$GMEMFS" df "$MNT" > said # waits for the memory of what was removed
"$GMEMFS" seal "$MNT" > said
"$GMEMFS" verify "$MNT" > said
check
rm -r "${MNT:?}"/*
is "$(stat_of 'd["used"]')" 0
is "$(stat_of '[d["used"] for d in d["devices"]]')" "[0, 0, 0, 0, 0, 0, 0, 0]"
"$GMEMFS" umount "$MNT"
