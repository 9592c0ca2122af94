# df --by-directory: what the files below each directory have of each device and of the host, plain and packed, and the sums.
# mount: none
export GMEMFS_SIM_DEVICES=256M,256M
"$GMEMFS" mount "$MNT" --simulate --device 1,0
mkdir -p "$MNT/zero/deep" "$MNT/one" "$MNT/empty" "$MNT/host" "$MNT/-odd name"
for place in zero=0 zero/deep=0 one=1 host=host "-odd name=1"; do
    setfattr -n user.gmemfs.device -v "${place#*=}" "$MNT/${place%=*}"
done
truncate -s 4M "$MNT/zero/deep/a"
truncate -s 3M "$MNT/zero/b" # takes 4
truncate -s 6M "$MNT/one/c"
ln "$MNT/one/c" "$MNT/zero/second"
: > "$MNT/one/nothing"
ln -s one "$MNT/link"
truncate -s 2M "$MNT/host/d"
truncate -s 2M "$MNT/-odd name/e"
weights 7340032 > model
cp model "$MNT/one/cold"
"$GMEMFS" pack "$MNT/one/cold" > said
cp model "$MNT/zero/away"
"$GMEMFS" pack --host --as-is "$MNT/zero/away" > said
head -c 5000 model > "$MNT/zero/small"
mv "$MNT/zero/b" "$MNT/here"
"$GMEMFS" df --by-directory --json "$MNT" > said
read -r first second <<< "$(json '" ".join(d["uuid"] for d in d[0]["devices"])' < said)" # 1, then 0
is "$(json '[d["ordinal"] for d in d[0]["devices"]]' < said)" "[1, 0]"
row() {
    json "[(r['files'], *(r['devices'][u] >> 12 for u in ('$second', '$first')), r['host_memory'] >> 12, r['packed']['files'],
        r['packed']['plain'] >> 12) for r in d[0]['directories'] + [d[0]['total']] if r['path'] == '$1']" < said
}
held=$(json 'd[0]["total"]["packed"]["held"]' < said)
is "$(json 'sorted(r["path"] for r in d[0]["directories"])' < said)" "['-odd name', '.', 'empty', 'host', 'one', 'zero']"
# Files, KiB of 4 on device 0, 1, the host; packed files and what they take awake. In `zero`: a slot of 8 KiB.
is "$(row .)" "[(1, 1024, 0, 0, 0, 0)]"
is "$(row empty)" "[(0, 0, 0, 0, 0, 0)]"
is "$(row host)" "[(1, 0, 0, 512, 0, 0)]"
is "$(row "-odd name")" "[(1, 0, 512, 0, 0, 0)]"
is "$(row one)" "[(3, 0, $((1536 + held / 4096)), 0, 1, 2048)]"
is "$(row zero)" "[(3, 1026, 0, 2048, 0, 0)]"
is "$(row total)" "[(9, 2050, $((2048 + held / 4096)), 2560, 1, 2048)]"
is "$(json 'd[0]["total"]["device_memory"] == sum(d[0]["total"]["devices"].values())' < said)" True
# What the mount uses is that, and the rest of the extent that the small file shares.
is "$("$GMEMFS" df --json "$MNT" | json 'd[0]["used"]')" $(($(json 'd[0]["total"]["device_memory"]' < said) + (2 << 20) - 8192))

says "^directory  *files  *device 1  *device 0 host memory  *packed  *awake$" "$GMEMFS" df --by-directory "$MNT"
says "^zero  *3  *-  *4.01 MiB  *8 MiB  *-  *-$" "$GMEMFS" df --by-directory "$MNT"
says "^total  *9 " "$GMEMFS" df --by-directory "$MNT"
is "$("$GMEMFS" df --by-directory --json "$MNT/zero/" | json '[(r["path"], r["files"]) for r in d[0]["directories"]]')" "[('.', 3), ('deep', 1)]"
refuses "Not a directory" "$GMEMFS" df --by-directory "$MNT/here"
refuses "is on no gmemfs mount" "$GMEMFS" df --by-directory /proc/self/fd
"$GMEMFS" umount "$MNT"
