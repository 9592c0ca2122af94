# Random operations by three processes, the server killed at random, eight times over: nothing acknowledged is lost.
# mount: none
python3 "$TESTS/survive/kill_loop.py" --rounds 8 --gmemfs "$GMEMFS" --mount-point "$MNT" --options="--simulate=$SIZE"
