# gmemfs pack --host moves files to host memory, packed or as they are; unpack brings them back. They are read where they are, and
# outlive a server that is killed.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
weights 14680064 > model
random_bytes 5000000 > noise
cp model "$MNT/model"
cp noise "$MNT/noise"
digest=$(xattr user.gmemfs.digest "$MNT/model")
used() { xattr user.gmemfs.stats "$MNT" | json 'd["used"], d["host"]["used"], d["host"]["files"], d["host"]["plain"]'; }
residence() { xattr user.gmemfs.residence "$1" | json 'd.get("where"), d.get("plain"), d.get("held")'; }
is "$(used)" "(20971520, 0, 0, 0)"
is "$("$GMEMFS" pack --host "$MNT/model")" "$MNT/model: 14 MiB -> 10 MiB in host memory (1.40)"
is "$(residence "$MNT/model")" "('host-packed', 14680064, 10485760)"
is "$("$GMEMFS" pack --host "$MNT/noise")" "$MNT/noise: 6 MiB in host memory"
is "$(residence "$MNT/noise")" "('host', 6291456, 6291456)"
is "$(used)" "(0, 16777216, 2, 20971520)"
is "$(stat -c '%s %b' "$MNT/model" "$MNT/noise" | tr '\n' ' ')" "14680064 20480 5000000 12288 "
is "$(xattr user.gmemfs.device "$MNT/model" | cut -c 1-4)" GPU- # where it lives
is "$(xattr user.gmemfs.extents "$MNT/model" | json 'd[0]["device"], d[0]["packed"]')" "('host', True)"
cmp model "$MNT/model"
cmp noise "$MNT/noise"
is "$(xattr user.gmemfs.digest "$MNT/model")" "$digest"
is "$(residence "$MNT/model")" "('host-packed', 14680064, 10485760)"
"$GMEMFS" stat "$MNT/model" > said
grep -q '^host memory    10 MiB in 1 extent$' said
grep -q '^residence      host memory, packed, 14 MiB awake (1.40), 112 chunks bf16$' said
grep -q '^  host memory: 16 MiB of ' <("$GMEMFS" df "$MNT")
grep -q '^  packed: 1 files, 10 MiB, awake 14 MiB$' <("$GMEMFS" df "$MNT")
is "$("$GMEMFS" pack --host --json "$MNT/model" | json '[(f["residence"], f["held"]) for f in d["files"]]')" "[('host-packed', 10485760)]"
# A server that is killed: the next one finds them where they were.
crash_server
is "$(used)" "(0, 16777216, 2, 20971520)"
is "$(residence "$MNT/noise")" "('host', 6291456, 6291456)"
cmp model "$MNT/model"
cmp noise "$MNT/noise"
printf x | dd of="$MNT/model" bs=1 seek=9 conv=notrunc status=none
printf x | dd of=model bs=1 seek=9 conv=notrunc status=none
is "$(where "$MNT/model")" device
cmp model "$MNT/model"
is "$("$GMEMFS" unpack "$MNT/noise")" "$MNT/noise: unpacked, 6 MiB"
cmp noise "$MNT/noise"
is "$(used)" "(20971520, 0, 0, 0)"
is "$("$GMEMFS" pack --host --as-is "$MNT/model")" "$MNT/model: 14 MiB in host memory"
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 14 MiB -> 10 MiB in host memory (1.40)" # where it is
cmp model "$MNT/model"
expect_error "belongs to --host" "$GMEMFS" pack --as-is "$MNT/model"
"$GMEMFS" umount "$MNT"
