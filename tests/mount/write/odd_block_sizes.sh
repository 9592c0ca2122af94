# What is written in blocks of any size is what was meant.
# posix
random_bytes 3000017 > source
for size in 509 4097 131071 131073 1048577 3000017; do
    dd if=source of="$MNT/f" bs=$size status=none
    cmp source "$MNT/f"
done
head -c 5000 source > short
dd if=short of="$MNT/g" bs=1 status=none
cmp short "$MNT/g"
