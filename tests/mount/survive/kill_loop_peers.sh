# The same with peers that have files mapped, to write and alone, and a scrubber that looks every second: what they write is never undone,
# nothing is given twice; by a supervisor, and by a mount on what was left.
# mount: none
# timeout: 180
needs_linux_that_asks_again
loop=("$TESTS/survive/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" "--options=--simulate=$SIZE")
peer_python "${loop[@]}" --rounds 6 --peers 3 --processes 1 --way supervisor
peer_python "${loop[@]}" --rounds 6 --peers 3 --processes 1 --way mount
