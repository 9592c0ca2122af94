# kernel: 12 13
# memory: 212M
# device: 320M
# modules: nbd
# rounds: 2
# timeout: 100
# A guest that has no memory left but the device's, whose worker is killed.
swap_on nbd 300M
under_pressure_and_killed
swap_off
