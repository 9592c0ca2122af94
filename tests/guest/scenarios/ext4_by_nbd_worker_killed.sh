# kernel: 12 13
# memory: 320M
# device: 128M
# modules: nbd
# programs: mkfs.ext4 e2fsck
# rounds: 3
# timeout: 60
# The worker is killed while files are written: the writer sees no error, and ext4 is whole.
block nbd 120M
ext4_and_killed worker_pid
detach
