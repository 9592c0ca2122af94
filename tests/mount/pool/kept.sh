# --keep: the files outlive their program, also one that is killed, and are ordinary files then; what it had freed is gone.
# size: 512M
needs_plain_pool
"$GMEMFS" run --keep --pool "$MNT/work" "$BUILD/pool/program" needed alloc=40000000 write=5 alloc=50000000 free
one=$(echo "$MNT"/work/program.*)
is "$(ls "$one")" alloc-000000-40MiB
is "$(head -c 40000000 "$one"/* | tr -d '\5' | wc -c)" 0
start_run --keep "$BUILD/pool/program" needed alloc=3000 write=6 read=6 wait
said ready
kill -KILL "$PROGRAM_PID"
wait "$PROGRAM_PID" || true
no_peers_left
kept=$MNT/work/program.$PROGRAM_PID/arena-0
is "$(head -c 3000 "$kept" | tr -d '\6' | wc -c)" 0
"$GMEMFS" cp "$kept" copy
cmp copy "$kept"
is "$("$GMEMFS" pool stat --json "$MNT/work" | json 'sorted((row["runs"], row["bytes"]) for row in d)')" \
    "[(False, 41943040), (False, 67108864)]"
printf other | dd of="$kept" conv=notrunc status=none
is "$(head -c 5 "$kept")" other
rm -r "$MNT/work"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
