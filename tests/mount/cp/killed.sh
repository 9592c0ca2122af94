# A killed copy leaves nothing: no name, and no memory; also where all have the same process ids, as in containers.
needs_root
used() { "$GMEMFS" stat --json "$MNT" | json 'd["used"]'; }
before=$(used)
mkfifo pipe
exec 3<> pipe
for attempt in 1 2; do
    unshare -mpf --mount-proc --kill-child "$GMEMFS" cp - "$MNT/model" < pipe & copy=$!
    head -c 3000000 /dev/zero >&3
    for _ in $(seq 200); do [ "$(used)" -lt $((before + 2000000)) ] || break; done
    [ "$(used)" -ge $((before + 2000000)) ]
    kill -KILL "$copy"
    gone "$copy"
    for _ in $(seq 200); do [ "$(used)" != "$before" ] || break; done
    is "$(used)" "$before"
    nothing ls -A "$MNT"
done
exec 3>&-
# Many at once, each the first process of its namespace, into one name: one of them is there, whole.
random_bytes 6M > source
copies=()
for copy in 1 2 3 4 5 6; do
    unshare -mpf --mount-proc --kill-child "$GMEMFS" cp source "$MNT/model" & copies+=($!)
done
for copy in "${copies[@]}"; do wait "$copy"; done
cmp source "$MNT/model"
is "$(ls -A "$MNT")" model
