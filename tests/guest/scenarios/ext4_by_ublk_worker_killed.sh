# kernel: 13
# memory: 320M
# device: 128M
# modules: ublk_drv
# programs: mkfs.ext4 e2fsck
# timeout: 60
# rounds: 3
# The worker is killed while files are written: the writer sees no error, and ext4 is whole.
block ublk 120M
within 30 has_spare
ext4_and_killed "$ROUNDS" 'told_of worker'
detach
