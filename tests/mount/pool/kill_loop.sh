# Programs, server and keeper are killed at random: programs that live go on, nothing that was kept is lost, nothing is left.
# mount: none
# size: 1G
needs_plain_pool
needs_linux_that_asks_again
python3 "$TESTS/pool/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" --size "$SIZE" --rounds 6
