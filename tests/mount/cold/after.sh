# options: --pack-after=1
# Files that nobody uses are packed after a while. One that is open, or is used again and again, isn't, and one that
# packing makes no smaller is looked at once.
for name in idle open used; do truncate -s 8M "$MNT/$name"; done
random_bytes 8388608 > "$MNT/random"
exec 5< "$MNT/open"
blocks() { stat -c %b "$MNT/$1"; }
for _ in $(seq 100); do
    echo x >> "$MNT/used"
    [ "$(blocks idle)" -lt 8192 ] && break
    sleep 0.1
done
is "$(blocks idle)" 4096 # a granule
is "$(blocks open)" 16384
[ "$(blocks used)" -ge 16384 ]
is "$(blocks random)" 16384
exec 5<&-
for _ in $(seq 100); do [ "$(blocks open)" = 4096 ] && break; sleep 0.1; done
is "$(blocks open)" 4096
cmp -n 8388608 "$MNT/idle" /dev/zero
# Reading wakes nothing; writing does, and then it is packed anew.
is "$(blocks idle)" 4096
echo y | dd of="$MNT/idle" conv=notrunc bs=2 seek=1000000 status=none
is "$(blocks idle)" 16384
for _ in $(seq 100); do [ "$(blocks idle)" = 4096 ] && break; sleep 0.1; done
is "$(blocks idle)" 4096
is "$(dd if="$MNT/idle" bs=2 skip=1000000 count=1 status=none)" y
refused=$("$GMEMFS" mount "$MNT" --simulate=64M --pack-after=10x 2>&1) && exit 1
case $refused in *"pack-after: '10x' is no time: 90s, 10m, 2h or 1d"*) ;; *) echo "$refused"; exit 1 ;; esac
