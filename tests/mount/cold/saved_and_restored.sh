# Snapshots hold the bytes of packed files, those that the mount makes at its end, too.
# mount: none
mount() { "$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$PWD/at_end"; }
mount
weights 9000001 --mixed > model
cp model "$MNT/model"
touch -d 2001-02-03 "$MNT/model"
"$GMEMFS" pack "$MNT/model"
"$GMEMFS" save --verify "$MNT" snapshot
cmp model "$MNT/model"
mkdir "$MNT/back" disk
"$GMEMFS" restore --verify snapshot "$MNT/back"
"$GMEMFS" restore --verify snapshot disk
cmp model "$MNT/back/model"
cmp model disk/model
"$GMEMFS" pack -r "$MNT" # whatever saving has woken
is "$(where "$MNT/model") $(where "$MNT/back/model")" "packed packed"
"$GMEMFS" umount "$MNT"
mount
cmp model "$MNT/model"
cmp model "$MNT/back/model"
is "$(stat -c %y "$MNT/model")" "2001-02-03 00:00:00.000000000 +0000"
"$GMEMFS" umount "$MNT"
