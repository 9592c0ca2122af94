# --host-limit bounds host memory: beyond it a file stays where it is. With 0 there is none, and packing needs room on the device.
# mount: none
weights 14680064 > model
"$GMEMFS" mount "$MNT" --simulate=64M --host-limit=12M
cp model "$MNT/one"
cp model "$MNT/two"
is "$("$GMEMFS" pack --host "$MNT/one")" "$MNT/one: 14 MiB -> 10 MiB in host memory (1.40)"
refuses "no room for it in host memory" "$GMEMFS" pack --host "$MNT/two"
is "$(where "$MNT/two")" device
cmp model "$MNT/two"
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["host"]["capacity"], d["host"]["used"]')" "(12582912, 10485760)"
rm "$MNT/one"
is "$("$GMEMFS" pack --host "$MNT/two")" "$MNT/two: 14 MiB -> 10 MiB in host memory (1.40)"
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate=24M --host-limit=0
cp model "$MNT/one"
truncate -s 4M "$MNT/other"
refuses "makes no host memory" "$GMEMFS" pack --host "$MNT/one"
refuses "no room for the packed bytes" "$GMEMFS" pack "$MNT/one"
is "$(where "$MNT/one")" device
is "$(errno_of "os.setxattr('$MNT', 'user.gmemfs.device', b'host')")" EINVAL
"$GMEMFS" umount "$MNT"
refused=$("$GMEMFS" mount "$MNT" --simulate=64M --make-room=often 2>&1) && exit 1
case $refused in *"make-room: 'often' is none of off, pack, host"*) ;; *) echo "$refused"; exit 1 ;; esac
"$GMEMFS" mount "$MNT" --simulate=64M --host-limit=8M --host-after=2h --make-room=host --print-options > said
grep -q '^host-limit = 8388608  (flag)$' said
grep -q '^host-after = 7200  (flag)$' said
grep -q '^make-room = host  (flag)$' said
