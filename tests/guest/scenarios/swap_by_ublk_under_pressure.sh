# kernel: 13
# memory: 212M
# device: 320M
# modules: ublk_drv
# timeout: 90
# A guest with no memory left but the device's: all that was swapped out comes back.
block ublk 300M
within 30 has_spare
swap_on
round=0
while [ "$round" -lt "$ROUNDS" ]; do
    round=$((round + 1))
    under_pressure 230
done
swapoff "$DEVICE"
detach
