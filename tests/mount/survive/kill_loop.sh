# Random operations by three processes, the server killed at random again and again: nothing acknowledged is lost.
# mount: none
loop=("$TESTS/survive/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" "--options=--simulate=$SIZE")
python3 "${loop[@]}" --rounds 8
