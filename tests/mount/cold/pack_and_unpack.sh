# gmemfs pack makes a file take less memory where it lies, unpack gives it back. Name, inode, size, times and digest stay, and
# what a peer would map; blocks and generation change.
facts() {
    stat -c '%n %i %s %h %a %u:%g %x %y %z' "$MNT/model"
    xattr user.gmemfs.digest "$MNT/model"
    xattr user.allocation_size "$MNT/model"
}
blocks() { stat -c %b "$MNT/model"; }
generation() { xattr user.gmemfs.generation "$MNT/model"; }
residence() { xattr user.gmemfs.residence "$MNT/model" | json 'd'; }
weights 8388608 > model
cp model "$MNT/model"
cat "$MNT/model" > copy # so that no later reading changes the time of access
facts > before
is "$(blocks)" 16384
is "$(residence)" "{'where': 'device'}"
first=$(generation)
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 8 MiB -> 6 MiB (1.33)"
facts | diff before -
is "$(residence)" "{'codecs': {'bf16': 64}, 'held': 6291456, 'plain': 8388608, 'ratio': 1.33, 'where': 'packed'}"
is "$(blocks)" 12288
is "$(du -B1 "$MNT/model" | cut -f 1)" 6291456
second=$(generation)
differs "$first" "$second"
is "$(xattr user.gmemfs.extents "$MNT/model" | json '[(e["offset"], e["length"], e["packed"]) for e in d]')" "[(0, 6291456, True)]"
# Once more changes nothing, and says the same.
is "$("$GMEMFS" pack "$MNT/model")" "$MNT/model: 8 MiB -> 6 MiB (1.33)"
is "$(generation)" "$second"
cmp model "$MNT/model"
is "$(where "$MNT/model")" packed
"$GMEMFS" stat "$MNT/model" > said
grep -q '^device memory  6 MiB in 1 extent$' said
grep -q '^residence      packed, 8 MiB awake (1.33), 64 chunks bf16$' said
is "$("$GMEMFS" stat --json "$MNT/model" | json 'd["residence"]["where"], d["residence"]["held"], d["allocation_size"]')" \
    "('packed', 6291456, 8388608)"
facts > read
is "$("$GMEMFS" unpack "$MNT/model")" "$MNT/model: unpacked, 8 MiB"
facts | diff read -
is "$(blocks)" 16384
is "$(residence)" "{'where': 'device'}"
differs "$(generation)" "$second"
is "$(xattr user.gmemfs.extents "$MNT/model" | json '[(e["offset"], e["length"], "packed" in e) for e in d]')" "[(0, 8388608, False)]"
is "$("$GMEMFS" unpack "$MNT/model")" "$MNT/model: unpacked, 8 MiB"
grep -q '^residence      device$' <("$GMEMFS" stat "$MNT/model")
cmp model "$MNT/model"
# Whoever is asked for its digest while it is packed for the first time gets that of the bytes.
cp model "$MNT/other"
"$GMEMFS" pack -q "$MNT/other"
is "$(xattr user.gmemfs.digest "$MNT/other")" "$(xattr user.gmemfs.digest "$MNT/model")"
is "$(errno_of "os.getxattr('$MNT', 'user.gmemfs.residence')")" ENODATA
is "$(errno_of "os.setxattr('$MNT/model', 'user.gmemfs.residence', b'packed')")" EPERM
