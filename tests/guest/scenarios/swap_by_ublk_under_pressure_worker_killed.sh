# kernel: 13
# memory: 212M
# device: 320M
# modules: ublk_drv
# timeout: 90
# A guest with no memory left but the device's, and the worker is killed: at another moment each round.
block ublk 300M
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
