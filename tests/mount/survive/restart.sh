# gmemfs restart puts another server in the place of the one that runs, while a cp goes on.
# mount: none
# A device that takes 5 ms a request, so that the cp lasts.
# env: GMEMFS_SIM_FAULTS=cuMemcpyHtoDAsync~5ms
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
random_bytes 60M > source
exec 7> "$MNT/open"
cp source "$MNT/copy" &
copier=$!
timeout 20 bash -c 'until [ -s "$0" ]; do :; done' "$MNT/copy"
[ "$(size_of "$MNT/copy")" -lt $((60 << 20)) ] # it is under way
for _ in 1 2 3; do
    pid=$(server_pid)
    says "serves it now" "$GMEMFS" restart "$MNT"
    differs "$(server_pid)" "$pid"
done
wait "$copier"
cmp source "$MNT/copy"
echo text >&7
is "$(cat "$MNT/open")" text
exec 7>&-
"$GMEMFS" umount "$MNT"
