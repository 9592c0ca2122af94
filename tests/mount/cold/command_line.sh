# pack and unpack take files, and with -r directories; one that can't be packed doesn't keep the others from it.
# timeout: 180
mkdir -p "$MNT/d/deep"
weights 8388608 > model
for name in a d/b d/deep/c; do cp model "$MNT/$name"; done
echo small > "$MNT/d/small"
ln -s ../a "$MNT/d/link"
mkfifo "$MNT/d/fifo"
refuses "$MNT/d: -r takes all files below it" "$GMEMFS" pack "$MNT/d"
"$GMEMFS" pack -r "$MNT/d" > said
diff said - << EOF
$MNT/d/b: 8 MiB -> 6 MiB (1.33)
$MNT/d/deep/c: 8 MiB -> 6 MiB (1.33)
$MNT/d/small: kept as it is: nothing would be saved
EOF
is "$(where "$MNT/a")" device # links below a directory aren't followed
"$GMEMFS" pack "$MNT/d/link" > said
is "$(cat said)" "$MNT/d/link: 8 MiB -> 6 MiB (1.33)"
is "$(where "$MNT/a")" packed
refuses "$MNT/d: -r takes all files below it" "$GMEMFS" unpack "$MNT/d"
"$GMEMFS" unpack -r "$MNT" > said
is "$(wc -l < said)" 4
is "$(where "$MNT/a") $(where "$MNT/d/b") $(where "$MNT/d/deep/c")" "device device device"
quiet "$GMEMFS" pack -rq "$MNT"
# Errors: a line each on standard error, the others are packed, status 1.
xattr user.fabric_handle "$MNT/d/b" > handle
"$GMEMFS" unpack -r -q "$MNT"
"$GMEMFS" pack "$MNT/a" "$MNT/d/b" "$MNT/none" /etc/passwd "$MNT/d/fifo" "$MNT/d/deep/c" > said 2> complaints && exit 1
is "$(wc -l < said) $(wc -l < complaints)" "2 4"
is "$(grep -c '^gmemfs: ' complaints)" 4
grep -q "^gmemfs: $MNT/d/b: can't be packed: its fabric handle was read, .*: pack a copy of it$" complaints
grep -q "$MNT/none" complaints
grep -q "/etc/passwd is on no gmemfs mount" complaints
grep -q "fifo: it is neither a file nor a directory" complaints
is "$(where "$MNT/a") $(where "$MNT/d/b") $(where "$MNT/d/deep/c")" "packed device packed"
is "$(status_of "$GMEMFS" pack "$MNT/a" "$MNT/d/b")" 1
is "$("$GMEMFS" verify /etc/passwd 2>&1 || true)" "$("$GMEMFS" pack /etc/passwd 2>&1 || true)"
# JSON: an entry for each, errors too.
"$GMEMFS" pack --json "$MNT/a" "$MNT/d/small" "$MNT/d/b" "$MNT/none" > said 2> complaints && exit 1
is "$(json '[(f["residence"], f["plain"], f["held"], f["ratio"]) for f in d["files"][:1]]' < said)" "[('packed', 8388608, 6291456, 1.33)]"
is "$(json '[sorted(f) for f in d["files"]]' < said)" \
    "[['held', 'path', 'plain', 'ratio', 'residence'], ['held', 'path', 'plain', 'ratio', 'residence'], ['error', 'path'], ['error', 'path']]"
is "$("$GMEMFS" unpack --json "$MNT/a" | json '[(f["residence"], f["plain"], f["held"]) for f in d["files"]]')" "[('device', 8388608, 8388608)]"
is "$(status_of "$GMEMFS" pack)" 2
is "$(status_of "$GMEMFS" pack --nonsense "$MNT/a")" 2
says "usage: \|Usage:" "$GMEMFS" pack --help
says "usage: \|Usage:" "$GMEMFS" unpack --help
