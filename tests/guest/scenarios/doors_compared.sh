# kernel: 13
# memory: 512M
# device: 512M
# modules: ublk_drv nbd
# programs: fio
# timeout: 240
# rounds: 3
# 4 KiB by ublk and by nbd, in turn, of one machine: how many a second each, and how much faster ublk is. On two emulated
# processors with no card: the ratio is the kernel's and ours, the figures are nobody's.
mount_gpu
by_ublk=$(gmemfs block "$MNT/u" --size 64M --ublk --no-spare)
by_nbd=$(gmemfs block "$MNT/n" --size 64M --nbd=/dev/nbd0 --no-spare)
rate() { # rate DEVICE DIRECTION DEPTH: requests a second
    fio --name=r --filename="$1" --direct=1 --ioengine=psync --thread --bs=4k --rw="rand$2" --numjobs="$3" --size=64M \
        --time_based --runtime=4 --group_reporting --minimal > fio.out
    [ "$2" = read ] && cut -d ';' -f 8 fio.out || cut -d ';' -f 49 fio.out
}
for jobs in 1 8; do
    for direction in read write; do
        : > ublk.rates
        : > nbd.rates
        round=0
        while [ "$round" -lt "$ROUNDS" ]; do
            round=$((round + 1))
            rate "$by_ublk" "$direction" "$jobs" >> ublk.rates
            rate "$by_nbd" "$direction" "$jobs" >> nbd.rates
        done
        ublk=$(sort -n ublk.rates | sed -n "$(((ROUNDS + 1) / 2))p") nbd=$(sort -n nbd.rates | sed -n "$(((ROUNDS + 1) / 2))p")
        say "COMPARED 4 KiB $direction, $jobs at once: ublk $ublk/s, nbd $nbd/s, $(awk "BEGIN { printf \"%.2f\", $ublk / $nbd }")"
    done
done
gmemfs block --detach "$by_ublk"
gmemfs block --detach "$by_nbd"
gmemfs umount "$MNT"
