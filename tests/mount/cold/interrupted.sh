# ^C ends pack between two files: status 130, each file as it was or packed. A terminal sees how far it is.
# A device that takes a while for each kernel.
# env: GMEMFS_SIM_FAULTS=cuLaunchKernel~100ms
# needs: script
weights 8388608 > model
for name in a b c d e f; do cp model "$MNT/$name"; done
"$GMEMFS" pack -r "$MNT" > said 2> complaints &
packer=$!
timeout 30 bash -c 'until [ -s said ]; do :; done'
kill -TERM "$packer"
status=0
wait "$packer" || status=$?
is "$status" 130
grep -q '^gmemfs: pack files: .*: interrupted before it' complaints
packed=$(wc -l < said)
[ "$packed" -ge 1 ]
[ "$packed" -lt 6 ]
is "$(xattr user.gmemfs.stats "$MNT" | json 'd["packed"]["files"]')" "$packed"
for name in a b c d e f; do cmp model "$MNT/$name"; done
said=$(script -qec "'$GMEMFS' pack -r '$MNT'" /dev/null)
[[ $said == *"of 48 MiB"*"$MNT/f: 8 MiB -> 6 MiB (1.33)"* ]]
nothing script -qec "'$GMEMFS' unpack -qr '$MNT'" /dev/null
