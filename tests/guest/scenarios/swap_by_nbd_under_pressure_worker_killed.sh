# kernel: 12 13
# memory: 212M
# device: 320M
# modules: nbd
# timeout: 90
# A guest with no memory left but the device's, and the worker is killed: at another moment each round.
# With the kernel's own vm.min_free_kbytes (1.7 MB here) replies wait for memory for ever.
sysctl -w vm.min_free_kbytes=16384
block nbd 300M --locked
within 30 has_spare
swap_on
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    within 60 has_spare
    under_pressure 230 --kill "$(told_of worker)" pswpout $((round * 7919 % 60000))
done
swapoff "$DEVICE"
detach
