# kernel: 12 13
# memory: 212M
# device: 320M
# modules: nbd
# timeout: 90
# A guest with no memory left but the device's: all that was swapped out comes back.
# With the kernel's own vm.min_free_kbytes (1.7 MB here) replies wait for memory for ever.
sysctl -w vm.min_free_kbytes=16384
block nbd 300M --locked
within 30 has_spare
swap_on
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    under_pressure 230
done
swapoff "$DEVICE"
detach
