# The same with a supervisor: no process may even notice.
# mount: none
needs_linux_that_asks_again
loop=("$TESTS/survive/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" "--options=--simulate=$SIZE")
python3 "${loop[@]}" --rounds 8 --way supervisor
