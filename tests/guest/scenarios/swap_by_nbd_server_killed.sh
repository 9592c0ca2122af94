# kernel: 12 13
# memory: 320M
# device: 320M
# modules: nbd
# timeout: 120
# The same with the filesystem's server killed: the device doesn't need it.
block nbd 300M --locked
swapped_and_killed "$ROUNDS" server_pid
detach
