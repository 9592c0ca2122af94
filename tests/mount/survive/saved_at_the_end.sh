# --on-shutdown=save:FILE: however the mount is ended on purpose, all files are saved, and the next mount begins with them.
# mount: none
# needs: setfacl
needs_root
mkdir kept
file=$PWD/kept/snapshot
supervisor() { ps -o ppid= -p "$pid" | tr -d ' '; }
start() { "$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file" --log="$PWD/log" "$@"; }
look() {
    (cd "$MNT" && find . -printf '%p %m %n %U %G %s %T@ %l\n' | sort &&
        find . -type f -print0 | sort -z | xargs -0 sha256sum && getfacl -n d d/large)
}
start
is "$(xattr user.gmemfs.on_shutdown "$MNT")" "save:$file"
nothing ls -A "$MNT"
mkdir "$MNT/d"
random_bytes 5M > "$MNT/d/large"
random_bytes 700 > "$MNT/d/small"
ln "$MNT/d/small" "$MNT/second"
ln -s d/small "$MNT/link"
truncate -s 9M "$MNT/sparse"
setfattr -n user.note -v kept "$MNT/d/large"
chown 65534:65534 "$MNT/d/small"
chmod 400 "$MNT/d/small"
chmod 1777 "$MNT"
setfacl -m u:12345:rwx "$MNT/d/large"
setfacl -d -m u:12345:rx "$MNT/d"
touch -d 2001-02-03 "$MNT/d"
for way in "$GMEMFS umount $MNT" "umount $MNT" "fusermount3 -u $MNT" 'kill -TERM $pid' 'kill -TERM $(supervisor)'; do
    look > before
    pid=$(server_pid)
    eval "$way"
    gone "$pid"
    fails mounted "$MNT"
    is "$(ls kept)" snapshot
    is "$(mode_of "$file")" 600
    nothing ls -A "$GMEMFS_RUNTIME_DIR"
    start
    look > after
    diff before after
    is "$(xattr user.note "$MNT/d/large")" kept
    echo "$way" >> "$MNT/ways"
done
# A lazy unmount saves when the last user is done, and what that one wrote, too.
exec 7>> "$MNT/ways"
pid=$(server_pid)
"$GMEMFS" umount --lazy "$MNT"
echo "late" >&7
exec 7>&-
gone "$pid"
# In the foreground, by ^C.
start -f < /dev/null & # its process is the server
job=$!
for _ in $(seq 400); do mounted "$MNT" && [ "$(tail -1 "$MNT/ways" 2> /dev/null)" = late ] && break; sleep 0.05; done
is "$(tail -1 "$MNT/ways")" late
echo "foreground" >> "$MNT/ways"
kill -INT "$(server_pid)"
wait "$job"
start
is "$(tail -1 "$MNT/ways")" foreground
# What isn't wanted any more isn't saved.
sum=$(sha "$file")
touch "$MNT/unwanted"
"$GMEMFS" umount --discard "$MNT"
is "$(sha "$file")" "$sum"
