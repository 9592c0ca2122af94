# fio writes random blocks of mixed sizes by four jobs, and finds them all again.
# size: 512M
# needs: fio
# posix
fio --name=verify --directory="$MNT" --numjobs=4 --size=12M --rw=randwrite --bsrange=4k-256k --ioengine=psync \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=7 --group_reporting --minimal > out 2>&1 || { cat out; exit 1; }
