# An ordinary user's mount is saved and restored like root's.
# mount: none
# user: nobody
mkdir kept
file=$PWD/kept/snapshot
for content in one two; do
    "$GMEMFS" mount "$MNT" --simulate="$SIZE" --on-shutdown="save:$file" --log="$PWD/log"
    [ $content = one ] || is "$(cat "$MNT/f")" one
    echo $content > "$MNT/f"
    rm -f "$MNT/large"
    random_bytes 3M > "$MNT/large"
    chmod 0 "$MNT/large"
    "$GMEMFS" umount "$MNT"
    nothing ls -A "$GMEMFS_RUNTIME_DIR"
done
says "^---------- *3145728 large" "$GMEMFS" restore --list "$file"
is "$(mode_of "$file")" 600
