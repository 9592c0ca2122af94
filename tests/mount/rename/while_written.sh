# A file that is being written may change its name.
# posix
random_bytes 8M > source
(dd if=source bs=64K status=none; cat go) > "$MNT/f" 2>/dev/null &
writer=$!
timeout 10 bash -c "until [ -s '$MNT/f' ]; do :; done"
mv "$MNT/f" "$MNT/g"
wait "$writer" || true
cmp source "$MNT/g"
