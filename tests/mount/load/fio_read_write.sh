# fio reads and writes at once, sequentially, and verifies.
# size: 512M
# needs: fio
# posix
fio --name=mixed --directory="$MNT" --numjobs=2 --size=16M --rw=write --bs=1000k --ioengine=psync --verify=md5 \
    --verify_fatal=1 --group_reporting --minimal > out 2>&1 || { cat out; exit 1; }
