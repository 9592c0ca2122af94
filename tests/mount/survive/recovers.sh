# A mount on the mount point of a dead server brings everything back: names, inode numbers, attributes, contents, handles.
# server: killed
mkdir -p "$MNT/d/empty"
random_bytes 5M > "$MNT/d/data"
ln "$MNT/d/data" "$MNT/second name"
ln -s ../d "$MNT/d/link"
mkfifo "$MNT/fifo"
truncate -s 3M "$MNT/sparse"
random_bytes 1000 > "$MNT/removed"
rm "$MNT/removed"
setfattr -n user.note -v kept "$MNT/d/data"
chmod 2751 "$MNT/d"
touch -d 2001-02-03 "$MNT/sparse"
handle=$(xattr user.fabric_handle "$MNT/d/data" | sha256sum)
look() { (cd "$MNT" && find . -printf '%p %i %m %n %U %G %s %T@ %l\n' | sort && sha256sum d/data sparse); }
look > before
kill_server
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
look > after
diff before after
is "$(xattr user.note "$MNT/d/data")" kept
is "$(xattr user.fabric_handle "$MNT/d/data" | sha256sum)" "$handle"
fails test -e "$MNT/removed"
truncate -s 5M "$MNT/sparse"
is "$(sha "$MNT/sparse")" "$(zeros 5M)"
echo more > "$MNT/new"
is "$(stat -c %i "$MNT/new")" "$(($(awk '{ print $2 }' before | sort -n | tail -1) + 2))" # one was removed
"$GMEMFS" umount "$MNT"
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
nothing ls -A "$MNT"
"$GMEMFS" umount "$MNT"
