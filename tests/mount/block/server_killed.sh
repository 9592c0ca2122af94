# The filesystem's server isn't on the way: killed and replaced under a device, nothing is noticed, and the lease is held.
# mount: none
# timeout: 120
# needs: nbdcopy nbdsh
needs_linux_that_asks_again
"$GMEMFS" mount "--simulate=$SIZE" "$MNT"
truncate -s 64M "$MNT/disk"
random_bytes 64M > data
serve "$MNT/disk"
nbdcopy data "$NBD"
before=$(device_says "$MNT/disk" 'd["worker"]["pid"]')
/usr/bin/python3 -c 'import nbd, os, sys, time
h = nbd.NBD()
h.connect_uri(sys.argv[1])
expected = open("data", "rb").read()
open("begun", "w").close()
while not os.path.exists("enough"):
    for at in range(0, 64 << 20, 4 << 20):
        assert h.pread(4 << 20, at) == expected[at:at + (4 << 20)]
' "$NBD" &
reader=$!
timeout 20 bash -c 'until [ -e begun ]; do :; done'
for _ in 1 2 3; do crash_server; done
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["leases"] > 0')" True
touch enough
wait "$reader"
is "$(device_says "$MNT/disk" 'd["worker"]["pid"], d["takeovers"]')" "($before, 0)"
# A worker that dies while there is no server at all is replaced as well.
has_spare "$MNT/disk"
kill_server
kill -KILL "$before"
nbdcopy "$NBD" back
cmp data back
"$GMEMFS" block --detach "$NBD_SOCKET"
"$GMEMFS" mount "--simulate=$SIZE" "$MNT"
cmp data "$MNT/disk"
"$GMEMFS" umount "$MNT"
