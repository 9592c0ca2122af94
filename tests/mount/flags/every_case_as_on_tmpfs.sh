# Each inode flag forbids, on files and in directories, what it forbids on tmpfs; who may set which is the same, too.
# options: -o allow_other
# timeout: 120
needs_root
mkdir probe
mount -t tmpfs none probe
touch probe/f
has_flags=$(errno_of 'import fcntl, os; fcntl.ioctl(os.open("probe/f", os.O_RDONLY), 0x80086601, bytes(4))')
umount probe
[ "$has_flags" = OK ] || skip "tmpfs has no inode flags here (before Linux 6.6)"
steps() { python3 "$TESTS/flags/cases.py"; }
same_on_tmpfs steps
[ "$(wc -l < gmemfs.said)" -gt 300 ]
fails grep -q Traceback gmemfs.said
