# fio's own NBD client, several at once, with checks of what was written.
# timeout: 120
# needs: fio nbdinfo
truncate -s 64M "$MNT/disk"
serve "$MNT/disk"
for job in "rw=randrw bsrange=512-128k" "rw=randwrite bs=4k" "rw=randtrimwrite bs=64k" "rw=write bs=1M"; do
    read -ra words <<< "$job"
    fio --name=job --thread --ioengine=nbd --uri="$NBD" --size=8M --offset_increment=8M --numjobs=4 --iodepth=16 \
        --verify=crc32c --verify_fatal=1 --do_verify=1 --verify_backlog=64 --randseed=11 "${words[@]/#/--}" \
        --minimal > fio.log
done
"$GMEMFS" block --detach "$MNT/disk"
