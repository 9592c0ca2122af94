# `gmemfs wait`: a rename, a write that is closed, a removal and a creation are told; usage, time, signals.
generation() { xattr user.gmemfs.generation "$MNT/$1"; }
waits() { is "$("$GMEMFS" stat --json "$MNT" | json 'd["waiters"]')" 1; }
# Starts a wait, and goes on when the server knows of it. is_told: what it printed.
begin() {
    "$GMEMFS" wait "$@" > told &
    waiter=$!
    soon waits
}
is_told() {
    local status=0
    wait "$waiter" || status=$?
    is "$status:$(cat told)" "0:$1"
}
truncate -s 2M "$MNT/weights"
first=$(generation weights)
is "$("$GMEMFS" wait "$MNT/weights" --generation-after 0)" "$first"
# Another file takes the name. What happens to other files, and to attributes, is nothing.
begin "$MNT/weights" --generation-after "$first"
random_bytes 2M > "$MNT/new"
second=$(generation new)
touch "$MNT/weights"
chmod 600 "$MNT/weights"
cat "$MNT/weights" > /dev/null
rm -f "$MNT/other"
waits
mv "$MNT/new" "$MNT/weights"
is_told "$second"
differs "$second" "$first"
# Bytes that are written in place: when the writer is done, not before, nor when a reader is.
begin "$MNT/weights" --generation-after "$second"
exec 3<> "$MNT/weights"
echo abc >&3
head -c 3 "$MNT/weights" > /dev/null
waits
exec 3>&-
is_told "$(generation weights)"
third=$(generation weights)
[ "$third" -gt "$second" ]
begin "$MNT/weights" # than the present one
exec 3<> "$MNT/weights"
echo abc >&3
sync "$MNT/weights"
fourth=$(generation weights)
is_told "$fourth"
exec 3>&-
is "$(generation weights)" "$fourth" # nothing was written since
# Its size, its end, and a new beginning.
begin "$MNT/weights" --generation-after "$fourth" --timeout 30
truncate -s 1M "$MNT/weights"
fifth=$(generation weights)
is_told "$fifth"
begin "$MNT/weights" --generation-after "$fifth"
rm "$MNT/weights"
is_told 0
begin "$MNT/weights" --generation-after 0 --json
cp /etc/hostname "$MNT/weights"
wait "$waiter"
is "$(json 'd["generation"], d["path"] == "'"$MNT"'/weights"' < told)" "($(generation weights), True)"
# A file in another directory's place, and another link.
mkdir "$MNT/v1" "$MNT/v2"
echo 1 > "$MNT/v1/w"
echo 2 > "$MNT/v2/w"
ln -s v1 "$MNT/current"
begin "$MNT/current/w" --generation-after "$(generation v1/w)"
ln -s v2 "$MNT/current.new"
waits
mv -T "$MNT/current.new" "$MNT/current"
is_told "$(generation v2/w)"
begin "$MNT/v1/w" --generation-after "$(generation v1/w)"
mv "$MNT/v1" "$MNT/v0"
status=0
wait "$waiter" || status=$?
is "$status" 1 # the directory isn't there any more
ln -s v2/w "$MNT/w"
begin "$MNT/w" --generation-after "$(generation v2/w)"
ln -sf v0/w "$MNT/w"
is_told "$(generation v0/w)"
# Time, signals, what isn't there.
refuses "it has none yet" "$GMEMFS" wait "$MNT/w" --timeout 0.05
begin "$MNT/w"
kill -INT "$waiter"
status=0
wait "$waiter" || status=$?
is "$status" 130
begin "$MNT/w"
kill -KILL "$waiter"
no_peers_left
is "$("$GMEMFS" stat --json "$MNT" | json 'd["waiters"]')" 0
refuses "No such file" "$GMEMFS" wait "$MNT/none/w"
refuses "no file" "$GMEMFS" wait "$MNT/v2"
refuses "no file on a gmemfs mount" "$GMEMFS" wait "$PWD/told"
is "$(status_of "$GMEMFS" wait "$MNT/w" --generation-after x)" 2
is "$(status_of "$GMEMFS" wait "$MNT/w" --timeout x)" 2
is "$(status_of "$GMEMFS" wait)" 2
