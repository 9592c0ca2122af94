# Whatever changes a packed file's bytes wakes it first, and changes the right ones.
# timeout: 180
weights 8388608 > model
# change DO REFERENCE: the first on the packed file, the second on a plain one beside: $F is the file.
change() {
    cp model reference
    cp model "$MNT/f"
    "$GMEMFS" pack -q "$MNT/f"
    is "$(where "$MNT/f")" packed
    F=reference bash -euc "$2"
    F="$MNT/f" bash -euc "$1"
    is "$(where "$MNT/f")" device
    cmp reference "$MNT/f"
    rm "$MNT/f"
}
both() { change "$1" "$1"; }
both 'printf middle | dd of="$F" bs=1 seek=5000001 conv=notrunc status=none'
both 'head -c 300000 /dev/zero | tr "\0" x | dd of="$F" bs=100000 seek=20 conv=notrunc status=none'
both 'printf end >> "$F"'
both 'printf far | dd of="$F" bs=1 seek=12000000 conv=notrunc status=none'
both 'truncate -s 12345678 "$F"'
both 'truncate -s 5000003 "$F"'
both 'truncate -s 100 "$F"; truncate -s 8M "$F"'
both 'truncate -s 0 "$F"'
both ': > "$F"; printf anew > "$F"'
both 'cat model > "$F"'
zero_middle='head -c 300000 /dev/zero | dd of="$F" bs=100000 seek=10 conv=notrunc status=none'
change 'fallocate -p -o 1000000 -l 300000 "$F"' "$zero_middle"
change 'fallocate -z -o 1000000 -l 300000 "$F"' "$zero_middle"
change 'fallocate -l 16M -n "$F"' true
change 'fallocate -l 12M "$F"' 'truncate -s 12M "$F"'
copy_by_dd='tail -c +3000001 model | head -c 70001 | dd of="$F" bs=1M seek=17 oflag=seek_bytes conv=notrunc status=none'
change 'python3 -c "import os; fd = os.open(os.environ[\"F\"], os.O_RDWR)
os.copy_file_range(fd, fd, 70001, 3000000, 17)"' "$copy_by_dd"
# What changes no byte leaves it packed.
cp model "$MNT/f"
"$GMEMFS" pack "$MNT/f"
truncate -s 8388608 "$MNT/f"
chmod 600 "$MNT/f"
touch -d 2001-02-03 "$MNT/f"
setfattr -n user.note -v kept "$MNT/f"
sync "$MNT/f"
dd if=/dev/null of="$MNT/f" conv=notrunc status=none
is "$(where "$MNT/f")" packed
is "$(stat -c '%a %y' "$MNT/f")" "600 2001-02-03 00:00:00.000000000 +0000"
cmp model "$MNT/f"
