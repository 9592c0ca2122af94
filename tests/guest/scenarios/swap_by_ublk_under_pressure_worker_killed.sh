# kernel: 13
# memory: 212M
# device: 320M
# modules: ublk_drv
# rounds: 2
# timeout: 100
# A guest that has no memory left but the device's, whose worker is killed.
swap_on ublk 300M
under_pressure_and_killed
swap_off
