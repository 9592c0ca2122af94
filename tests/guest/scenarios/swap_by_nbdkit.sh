# kernel: 12 13
# memory: 640M
# device: 2M
# modules: nbd
# programs: nbdkit nbd-client
# files: /usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-memory-plugin.so
# timeout: 180
# Shows that hog and this harness find what they should where gmemfs has no part: swap by the kernel's nbd, on memory that
# nbdkit has locked (with its default of 16 threads it locks 128 MiB of stacks, too, and this guest stalls for want of memory).
nbdkit --swap -t 2 -U /tmp/socket -P /tmp/nbdkit.pid memory 256M
within 10 test -s /tmp/nbdkit.pid
/usr/bin/nbd-client -unix /tmp/socket /dev/nbd0 -name ''
mkswap /dev/nbd0
swapon -d /dev/nbd0
hog_in_group 64 160 --stop
hog_filled
say "out: $(swapped_out) MiB"
[ "$(swapped_out)" -ge 90 ] || fail "only $(swapped_out) MiB are out"
hog_goes_on
say 'hog is done'
swapoff /dev/nbd0
/usr/bin/nbd-client -d /dev/nbd0
