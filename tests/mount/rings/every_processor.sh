# Clients on every processor are served, several on each at once; what each has written is there.
# rings
# needs: taskset
random_bytes 8M > source
pids=()
processors=$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
for processor in $processors; do
    for client in 1 2 3 4; do
        name=$MNT/$processor.$client
        taskset -c "$processor" sh -c "dd if=source of=$name bs=64k status=none && cmp source $name && rm $name && cp source $name" &
        pids+=($!)
    done
done
[ "${#pids[@]}" -ge 4 ]
for pid in "${pids[@]}"; do wait "$pid"; done
is "$(cat "$MNT"/* | sha256sum)" "$(for _ in "${pids[@]}"; do cat source; done | sha256sum)"
