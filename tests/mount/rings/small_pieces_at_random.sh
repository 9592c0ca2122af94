# fio writes blocks of 4 KiB at random by eight jobs, with several in flight each, and finds them all again.
# rings
# size: 512M
# needs: fio
fio --name=verify --directory="$MNT" --numjobs=8 --size=4M --rw=randwrite --bs=4k --ioengine=libaio --iodepth=8 --direct=1 \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 --group_reporting --minimal > out 2>&1 || { cat out; exit 1; }
[ "$(ring_requests)" -ge $((8 * 1024 * 2)) ]
