# A file that nvCOMP has packed, and a server that doesn't find nvCOMP: it starts, says so, and everything else works; the file is
# packed and whole, and can be read as soon as nvCOMP is there again.
# mount: none
# timeout: 120
needs_linux_that_asks_again
cp "$BUILD/sim/libnvcomp.so.6" .
GMEMFS_NVCOMP=$PWD/libnvcomp.so.6 "$GMEMFS" mount "$MNT" --simulate="$SIZE" --log="$PWD/log"
weights 9000001 > model
for name in by_ans by_own plain; do cp model "$MNT/$name"; done
"$GMEMFS" pack -q --codec=ans "$MNT/by_ans"
"$GMEMFS" pack -q --codec=own "$MNT/by_own"
cmp model "$MNT/by_ans"
# The next server finds it, and reads the image of the one before.
crash_server
cmp model "$MNT/by_ans"
is "$(grep -c 'can.t be read' log)" 0
mv libnvcomp.so.6 away
crash_server
for name in by_own plain; do cmp model "$MNT/$name"; done
grep -q 'warning: .*nvCOMP 6.0.0 has packed it, and can.t be opened: .*pip install nvidia-libnvcomp-cu13==6.0.0.12' log
is "$(errno_of "open('$MNT/by_ans', 'rb').read(10)")" ENOPKG
is "$(errno_of "os.pwrite(os.open('$MNT/by_ans', os.O_WRONLY), b'x', 9)")" ENOPKG
is "$(xattr user.gmemfs.residence "$MNT/by_ans" | json 'd["where"], list(d["codecs"])')" "('packed', ['ans-half'])"
refuses "can't be unpacked: nvCOMP has packed it, and the server can't open that version of nvCOMP: install it again" \
    "$GMEMFS" unpack "$MNT/by_ans"
"$GMEMFS" save -q --pack "$MNT/by_own" saved
# It may be renamed, and removed, and truncated.
mv "$MNT/by_ans" "$MNT/renamed"
ln "$MNT/renamed" "$MNT/by_ans"
mv away libnvcomp.so.6
cmp model "$MNT/by_ans"
"$GMEMFS" unpack -q "$MNT/by_ans"
cmp model "$MNT/renamed"
"$GMEMFS" pack -q --codec=ans "$MNT/renamed"
mv libnvcomp.so.6 away
crash_server
truncate -s 0 "$MNT/renamed"
is "$(where "$MNT/renamed")" device
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["packed"]["files"]')" 1
"$GMEMFS" umount "$MNT"
