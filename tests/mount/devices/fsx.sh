# Random operations on files over several devices, with and without parity, in equal parts and in turns; and on one that has copies.
# mount: none
# timeout: 120
export GMEMFS_SIM_DEVICES=256M,192M
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=off
for kind in plain parity turns; do mkdir "$MNT/$kind"; done
setfattr -n user.gmemfs.device -v spread "$MNT/plain"
setfattr -n user.gmemfs.device -v spread:1,0 "$MNT/parity"
setfattr -n user.gmemfs.ecc -v on "$MNT/parity"
setfattr -n user.gmemfs.device -v interleave:32M "$MNT/turns"
python3 "$TESTS/fsx.py" "$MNT/plain/f" --seed 20261201 --seconds 8 --size 12582912 &
pids=($!)
python3 "$TESTS/fsx.py" "$MNT/parity/f" --seed 20261202 --seconds 8 --size 12582912 &
pids+=($!)
python3 "$TESTS/fsx.py" "$MNT/turns/f" --seed 20261203 --seconds 8 --size 50331648 &
pids+=($!)
mkdir "$MNT/copied"
setfattr -n user.gmemfs.device -v 0 "$MNT/copied"
setfattr -n user.gmemfs.replicas -v all "$MNT/copied"
setfattr -n user.gmemfs.ecc -v on "$MNT/copied"
python3 "$TESTS/fsx.py" "$MNT/copied/f" --seed 20261204 --seconds 8 --size 6291456 &
pids+=($!)
for pid in "${pids[@]}"; do wait "$pid"; done
"$GMEMFS" verify "$MNT/parity" "$MNT/copied" > said
"$GMEMFS" umount "$MNT"
