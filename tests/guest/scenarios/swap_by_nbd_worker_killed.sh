# kernel: 12 13
# memory: 320M
# device: 320M
# modules: nbd
# ci: 12
# timeout: 120
# Swap by nbd; its worker is killed while 160 MiB are out. Nothing is lost, and nobody sees an error.
swap_on nbd 300M
swapped_and_killed worker_pid
swap_off
