# kernel: 13
# memory: 320M
# device: 320M
# modules: ublk_drv
# timeout: 120
# ci: 13
# Swap on a device of the ublk driver; its worker is killed while 160 MiB are out. Nothing is lost, nobody sees an error.
block ublk 300M
within 30 has_spare
swapped_and_killed "$ROUNDS" 'told_of worker'
detach
