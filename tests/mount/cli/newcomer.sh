# What a newcomer mistypes or meets first is told in one line, with what to do.
# mount: none
has_driver || {
    refuses "without a GPU: --simulate" "$GMEMFS" test --size 2M
    refuses "without a GPU: --simulate" "$GMEMFS" bench --size 2M
}
refuses "choose one by --device" "$GMEMFS" test --simulate=64M --size 2M --device 7
refuses "choose less by --size" "$GMEMFS" test --simulate=64M --size 1G
fails "$GMEMFS" test --simulate=64M --size 1G > said 2> /dev/null
nothing cat said
is "$("$GMEMFS" test --simulate=64M --size 1G --json 2> /dev/null | json 'd["mismatches"]')" None
refuses "in a folder that is there" "$GMEMFS" mount "$MNT" --simulate=64M --log="$PWD/none/log"
fails mounted "$MNT"

# The size of the simulator's device stands behind = or behind a blank.
[[ $("$GMEMFS" test --simulate 64M --size 2M) == *'of 64 MiB'* ]]
is "$("$GMEMFS" bench --simulate 64M --size 2M --rounds 1 --json | json 'd["size"]')" $((2 << 20))
"$GMEMFS" mount --simulate 64M --capacity=1T "$MNT" --log="$PWD/log"
is "$("$GMEMFS" df --json "$MNT" | json 'd[0]["size"]')" $((64 << 20)) # and no more is promised than there is
grep -q 'warning.*capacity: 1 TiB is more than' log

mkdir "$MNT/d"
is "$("$GMEMFS" stat "$MNT/d" | head -n 1)" "folder         $MNT/d"
is "$("$GMEMFS" stat --json "$MNT/d" | json 'd["type"]')" folder
is "$(xattr user.gmemfs.driver "$MNT/d")" "$("$GMEMFS" stat --json "$MNT" | json 'd["driver"]["library"]')"

# What can't be printed is no success.
for command in "df" "stat $MNT/d" "--help" "version"; do
    [ "$(status_of bash -c "'$GMEMFS' $command > /dev/full")" = 1 ] || { echo "status of $command"; exit 1; }
done
"$GMEMFS" umount "$MNT"
