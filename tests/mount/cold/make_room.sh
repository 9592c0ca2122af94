# --make-room=host: where the device is full, files that nobody uses go to host memory, the oldest first; open ones stay. Without
# it: ENOSPC.
# mount: none
weights 8388608 > model
"$GMEMFS" mount "$MNT" --simulate=64M --capacity=26M
for name in a b c; do cp model "$MNT/$name"; done
expect_error "No space left" cp model "$MNT/d"
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate=64M --capacity=26M --make-room=host
for name in b c a; do cp model "$MNT/$name"; done
cmp model "$MNT/a" # last
all() { for name in "$@"; do printf '%s ' "$(where "$MNT/$name")"; done; }
exec 5< "$MNT/c"
cp model "$MNT/d"
is "$(all a b c d)" "device host-packed device device "
truncate -s 8M "$MNT/e"
is "$(all a b c d)" "host-packed host-packed device device "
# By whatever takes memory: waking makes others leave.
xattr user.fabric_handle "$MNT/b" > /dev/null
is "$(all a b c d)" "host-packed device device host-packed "
# Nothing is left that could leave: c is open, b's handle was read.
rm "$MNT/e"
fallocate -l 8M "$MNT/e"
exec 6< "$MNT/e"
expect_error "No space left" truncate -s 8M "$MNT/f"
exec 6<&-
for name in a b c d; do cmp model "$MNT/$name"; done
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["used"] <= 26 << 20, d["host"]["files"]')" "(True, 2)"
exec 5<&-
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate=64M --capacity=30M --make-room=pack
for name in a b; do cp model "$MNT/$name"; done
truncate -s 8M "$MNT/zeros" # which takes a granule when it is packed
cmp model "$MNT/a"
cmp model "$MNT/b"
cp model "$MNT/c"
is "$(all zeros a b c)" "packed device device device "
for name in a b c; do cmp model "$MNT/$name"; done
"$GMEMFS" umount "$MNT"
