# kernel: 13
# memory: 320M
# device: 320M
# modules: ublk_drv
# timeout: 120
# The same with the filesystem's server killed: the device doesn't need it.
block ublk 300M
swapped_and_killed "$ROUNDS" server_pid
detach
