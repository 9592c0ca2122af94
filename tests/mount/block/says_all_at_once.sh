# Who reads a command's errors to their end gets there, although the device serves on; and what is detached is free.
truncate -s 8M "$MNT/disk"
for round in 1 2 3 4 5 6 7 8; do
    is "$(timeout 20 "$GMEMFS" block "$MNT/disk" --socket "$PWD/s" 2>&1)" "$PWD/s"
    "$GMEMFS" block --detach "$PWD/s"
done
rm "$MNT/disk"
mkdir "$MNT/thin"
for round in 1 2 3 4 5 6 7 8; do
    is "$(timeout 20 "$GMEMFS" block "$MNT/thin" --thin --size 1G --socket "$PWD/s" 2>&1)" "$PWD/s"
    "$GMEMFS" block --detach "$PWD/s"
done
expect_error "no block device of gmemfs" "$GMEMFS" block --detach "$PWD/s"
