# The same with a supervisor: no process may even notice.
# mount: none
python3 -c "import os, sys; sys.exit(tuple(map(int, os.uname().release.split(chr(46))[:2])) < (6, 9))" || skip "before Linux 6.9 the mount dies with its server"
loop=("$TESTS/survive/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" "--options=--simulate=$SIZE")
python3 "${loop[@]}" --rounds 8 --way supervisor
