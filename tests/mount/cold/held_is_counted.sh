# df, du, the counters and the owner's quota count what is held: less while a file is packed, all of it when it is awake.
# options: --capacity 64M --quota 12345=10M
needs_root
chmod 777 "$MNT"
used() { df -B1 --output=used "$MNT" | tail -n 1 | tr -d ' '; }
avail() { df -B1 --output=avail "$MNT" | tail -n 1 | tr -d ' '; }
counted() { xattr user.gmemfs.stats "$MNT" | json "$1"; }
held() { counted 'd["used"], d["quotas"]["12345"]["used"], d["packed"]["files"], d["packed"]["plain"], d["packed"]["held"]'; }
weights 8388608 > model
cp model "$MNT/model"
chown 12345 "$MNT/model"
is "$(held)" "(8388608, 8388608, 0, 0, 0)"
is "$(used) $(avail)" "8388608 $((56 << 20))"
"$GMEMFS" pack "$MNT/model"
is "$(held)" "(6291456, 6291456, 1, 8388608, 6291456)"
is "$(used) $(avail)" "6291456 $((58 << 20))"
is "$(du -B1 "$MNT/model" | cut -f 1)" 6291456
is "$(du --apparent-size -B1 "$MNT/model" | cut -f 1)" 8388608
is "$("$GMEMFS" df --json "$MNT" | json 'd[0]["used"]')" 6291456
says '^packed' "$GMEMFS" stat "$MNT"
# What was saved is the owner's to use; then the quota says no to waking, and the file stays packed and whole.
truncate -s 4M "$MNT/more"
chown 12345 "$MNT/more"
refuses "more than its owner's quota leaves" "$GMEMFS" unpack "$MNT/model"
is "$(errno_of "os.pwrite(os.open('$MNT/model', os.O_WRONLY), b'x', 5)")" EDQUOT
is "$(where "$MNT/model")" packed
cmp model "$MNT/model"
is "$(held)" "(10485760, 10485760, 1, 8388608, 6291456)"
rm "$MNT/more"
"$GMEMFS" unpack "$MNT/model"
is "$(held)" "(8388608, 8388608, 0, 0, 0)"
cmp model "$MNT/model"
# A packed file takes its counts with it.
"$GMEMFS" pack "$MNT/model"
mv "$MNT/model" "$MNT/renamed"
chown 0 "$MNT/renamed"
is "$(held)" "(6291456, 0, 1, 8388608, 6291456)"
rm "$MNT/renamed"
is "$(held)" "(0, 0, 0, 0, 0)"
is "$(used) $(avail)" "0 $((64 << 20))"
