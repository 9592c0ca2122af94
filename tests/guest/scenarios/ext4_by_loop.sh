# kernel: 12 13
# device: 128M
# modules: loop
# programs: mkfs.ext4 e2fsck
# What a file of the mount can do without `gmemfs block`: ext4 on a loop device over it, whole after unmounting.
mount_gpu
truncate -s 64M "$MNT/disk"
losetup /dev/loop0 "$MNT/disk"
mkfs.ext4 -q /dev/loop0
mkdir /mnt/disk
mount /dev/loop0 /mnt/disk
random in 20
cp in /mnt/disk/out
umount /mnt/disk
e2fsck -fn /dev/loop0
mount -o ro /dev/loop0 /mnt/disk
cmp in /mnt/disk/out
umount /mnt/disk
losetup -d /dev/loop0
gmemfs umount "$MNT"
