# Memory that waits is waited for before its context goes, and doesn't pass to another stream of the same number; what a context had
# goes with it; a graph that is captured meanwhile stays whole, and its own allocations are the driver's.
needs_plain_pool
start_run "$BUILD/pool/program" address-12000 context stream capture wait
for _ in 1 2 3; do
    read -r -t 30 line <&"${RUN[0]}"
    [[ $line == "microseconds a pair: "* ]]
done
said "captured: 801"
said ready
is "$("$GMEMFS" pool stat --json "$MNT/work" | json 'd[0]["blocks"], d[0]["used"], d[0]["fences"] >= 3')" "(0, 0, True)"
is "$(ls "$MNT/work/program.$PROGRAM_PID")" arena-0
end_run
