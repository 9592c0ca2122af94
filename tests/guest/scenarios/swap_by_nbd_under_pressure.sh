# kernel: 12 13
# memory: 212M
# device: 320M
# modules: nbd
# timeout: 100
# A guest that has no memory left but the device's: all that was swapped out comes back.
swap_on nbd 300M
pressed 230
swap_off
