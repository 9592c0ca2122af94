# kernel: 12 13
# memory: 320M
# device: 320M
# modules: nbd
# timeout: 120
# The filesystem's server is killed while 160 MiB are out: swap doesn't need it.
swap_on nbd 300M
swapped_and_killed server_pid
swap_off
