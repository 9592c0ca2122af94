# kernel: 13
# memory: 320M
# device: 320M
# modules: ublk_drv
# timeout: 240
# The device's supervisor is killed while 160 MiB are out: the worker goes on, and `--adopt` puts another supervisor over it;
# under that the worker is killed, too.
swap_on ublk 300M
swapped_and_killed supervisor_pid
within 30 has_spare
swapped_and_killed worker_pid
swap_off
