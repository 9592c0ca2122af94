# kernel: 12 13
# memory: 320M
# device: 320M
# modules: nbd
# timeout: 120
# ci: 12
# Swap on a device of the nbd driver; its worker is killed while 160 MiB are out. Nothing is lost, nobody sees an error.
block nbd 300M --locked
within 30 has_spare
swapped_and_killed "$ROUNDS" 'told_of worker'
detach
