# user.gmemfs.pack_after and host_after of a directory decide for what is made below it, and chattr +c has files packed soon; they
# go before what the mount was told, and outlive the server.
# needs: chattr lsattr
# mount: none
# timeout: 120
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
needs_root
weights 8388608 > model
mkdir "$MNT/soon" "$MNT/away" "$MNT/flagged" "$MNT/never"
setfattr -n user.gmemfs.pack_after -v 1s "$MNT/soon"
setfattr -n user.gmemfs.host_after -v 2 "$MNT/away"
setfattr -n user.gmemfs.pack_after -v 0 "$MNT/never"
chattr +c "$MNT/flagged"
expect_error "Invalid argument" setfattr -n user.gmemfs.pack_after -v soon "$MNT/soon"
is "$(errno_of "os.setxattr('$MNT/soon', 'user.gmemfs.pack_later', b'1')")" ENOTSUP
mkdir "$MNT/soon/below"
for name in soon/below/model away/model flagged/model never/model; do cp model "$MNT/$name"; done
is "$(xattr user.gmemfs.pack_after "$MNT/soon/below/model")" 1s
[[ $(lsattr "$MNT/flagged/model") == *c*' '* ]]
wait_for() { # wait_for NAME WHERE
    for _ in $(seq 400); do [ "$(where "$MNT/$1")" = "$2" ] && return; sleep 0.1; done
    echo "$1 is $(where "$MNT/$1")"
    return 1
}
wait_for soon/below/model packed
wait_for away/model host-packed
wait_for flagged/model packed
is "$(where "$MNT/never/model")" device
crash_server
is "$(where "$MNT/away/model")" host-packed
for name in soon/below/model flagged/model; do
    printf x | dd of="$MNT/$name" bs=1 seek=9 conv=notrunc status=none
    is "$(where "$MNT/$name")" device
    wait_for $name packed
done
# One that was told something else itself.
setfattr -x user.gmemfs.pack_after "$MNT/soon/below/model"
printf x | dd of="$MNT/soon/below/model" bs=1 seek=9 conv=notrunc status=none
sleep 3
is "$(where "$MNT/soon/below/model")" device
is "$(errno_of "os.getxattr('$MNT/soon/below/model', 'user.gmemfs.pack_after')")" ENODATA
is "$(lsattr -d "$MNT/flagged" | cut -d ' ' -f 1 | tr -d -- -)" c
chattr -c "$MNT/flagged"
cp model "$MNT/flagged/other"
[[ $(lsattr "$MNT/flagged/other") != *c*' '* ]]
"$GMEMFS" umount "$MNT"
