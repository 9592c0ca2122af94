# kernel: 13
# memory: 320M
# device: 320M
# modules: ublk_drv
# ci: 13
# timeout: 120
# Swap by ublk; its worker is killed while 160 MiB are out. Nothing is lost, and nobody sees an error.
swap_on ublk 300M
swapped_and_killed worker_pid
swap_off
