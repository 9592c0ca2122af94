# A file that is being written may change its name.
# posix
random_bytes 8M > source
mkfifo go
(head -c 3M source; read -r < go; tail -c +3145729 source) > "$MNT/f" &
writer=$!
timeout 10 bash -c "until [ -s '$MNT/f' ]; do :; done"
mv "$MNT/f" "$MNT/g"
echo > go
wait "$writer"
cmp source "$MNT/g"
fails test -e "$MNT/f"
