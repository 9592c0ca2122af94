# kernel: 13
# memory: 448M
# device: 320M
# modules: ublk_drv
# timeout: 100
# --reserve: who wants the device's memory gets it; what was swapped out comes back first, and the program goes on.
swap_on ublk 200M --reserve 64M
hog_in_group 64 160 --stop
hog_filled
[ "$(swapped_out)" -ge 90 ] || fail "only $(swapped_out) MiB are out"
echo max > "$HOG_GROUP/memory.max"
truncate -s 80M "$MNT/wanted"
is_off() { ! grep -q "^$DEVICE" /proc/swaps; }
within 60 is_off
hog_goes_on
is_empty() { [ "$(stat -c %s "$MNT/swap")" = 0 ]; }
within 10 is_empty
truncate -s 150M "$MNT/more"
rm "$MNT/wanted" "$MNT/more"
gmemfs umount "$MNT"
