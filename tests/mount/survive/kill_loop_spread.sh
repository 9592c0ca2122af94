# The same with files over two devices, and with files that have a copy on another one.
# mount: none
export GMEMFS_SIM_DEVICES=256M,256M
loop=("$TESTS/survive/kill_loop.py" --gmemfs "$GMEMFS" --mount-point "$MNT" "--options=--simulate --device all")
python3 "${loop[@]}" --rounds 6 --place spread
python3 "${loop[@]}" --rounds 6 --place 0 --replicas all
