# No room to wake: ENOSPC, the file still packed and right. No room to pack: the file is as it was.
# options: --capacity 26M --host-limit=0
weights 14680064 > model
cp model "$MNT/model"
truncate -s 4M "$MNT/other"
# 18 MiB are used: 8 are left, and the packed bytes are 10.
refuses "no room for the packed bytes" "$GMEMFS" pack "$MNT/model"
is "$(where "$MNT/model") $(stat -c %b "$MNT/model")" "device 28672"
cmp model "$MNT/model"
rm "$MNT/other"
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 14 MiB -> 10 MiB (1.40)"
truncate -s 4M "$MNT/other"
refuses "no room for its bytes" "$GMEMFS" unpack "$MNT/model"
for attempt in "os.pwrite(os.open('$MNT/model', os.O_WRONLY), b'x', 9)" "os.truncate('$MNT/model', 15 << 20)" \
    "os.truncate('$MNT/model', 5)" "os.getxattr('$MNT/model', 'user.fabric_handle')" \
    "os.posix_fallocate(os.open('$MNT/model', os.O_WRONLY), 0, 20 << 20)"; do
    is "$attempt: $(errno_of "$attempt")" "$attempt: ENOSPC"
    is "$(where "$MNT/model") $(size_of "$MNT/model") $(stat -c %b "$MNT/model")" "packed 14680064 20480"
    cmp model "$MNT/model"
done
is "$(errno_of "os.truncate('$MNT/model', 0)")" OK # which needs no memory
rm "$MNT/other"
cp model "$MNT/again"
"$GMEMFS" pack "$MNT/again"
printf x | dd of="$MNT/again" bs=1 seek=9 conv=notrunc status=none
printf x | dd of=model bs=1 seek=9 conv=notrunc status=none
is "$(where "$MNT/again")" device
cmp model "$MNT/again"
