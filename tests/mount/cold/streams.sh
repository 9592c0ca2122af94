# LZ4 and zstd take what gets smaller by them, here by processors, because there is no nvCOMP. Such an image goes to a disk and back
# as it is.
# mount: none
# timeout: 120
export GMEMFS_NVCOMP=/nowhere/libnvcomp.so.6
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
codecs() { xattr user.gmemfs.residence "$1" | json 'dict(sorted(d["codecs"].items()))'; }
{ weights 4194304; seq 1200000; head -c 262144 /dev/urandom; } > model # weights, text, noise
cp model "$MNT/model"
"$GMEMFS" pack -q --codec=auto "$MNT/model"
says "^{'bf16': [0-9]*, 'raw': [0-9]*}$" codecs "$MNT/model" # our own
for codec in lz4 zstd; do
    "$GMEMFS" unpack -q "$MNT/model"
    "$GMEMFS" pack -q --codec=$codec "$MNT/model"
    says "^{'bf16': 3[0-9], '$codec': 6[0-9], 'raw': [0-9]}$\|^{'bf16': 3[0-9], 'raw': [0-9], 'zstd': 6[0-9]}$" codecs "$MNT/model"
    cmp model "$MNT/model"
    dd if="$MNT/model" bs=100001 skip=47 count=20 status=none | cmp - <(dd if=model bs=100001 skip=47 count=20 status=none)
    is "$(where "$MNT/model")" packed
    codecs "$MNT/model" > before
    "$GMEMFS" save -q --pack "$MNT/model" saved
    mkdir "$MNT/$codec" "disk-$codec"
    "$GMEMFS" restore -q --packed saved "$MNT/$codec"
    codecs "$MNT/$codec/model" | diff before -
    cmp model "$MNT/$codec/model"
    "$GMEMFS" unpack -q "$MNT/$codec/model"
    cmp model "$MNT/$codec/model"
    "$GMEMFS" restore -q saved "disk-$codec"
    cmp model "disk-$codec/model"
    "$GMEMFS" pack -q --host --codec=$codec "$MNT/$codec/model"
    is "$(where "$MNT/$codec/model")" host-packed
    cmp model "$MNT/$codec/model"
    "$GMEMFS" unpack -q "$MNT/$codec/model"
    cmp model "$MNT/$codec/model"
    "$GMEMFS" unpack -q "$MNT/model"
    cmp model "$MNT/model"
done
"$GMEMFS" umount "$MNT"
# The same by nvCOMP, read by processors and the other way round: a snapshot goes between the two mounts.
mkdir other
GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" mount "$MNT" --simulate="$SIZE"
"$GMEMFS" mount other --simulate="$SIZE"
pass_on() { # pass_on FROM TO
    cp model "$1/model"
    "$GMEMFS" pack -q --codec=zstd "$1/model"
    "$GMEMFS" save -q --pack "$1/model" saved
    mkdir "$2/given"
    "$GMEMFS" restore -q --packed saved "$2/given"
    says "'zstd': 6[0-9]" codecs "$2/given/model"
    cmp model "$2/given/model"
    "$GMEMFS" unpack -q "$2/given/model"
    cmp model "$2/given/model"
}
pass_on "$MNT" other
pass_on other "$MNT"
"$GMEMFS" umount other
"$GMEMFS" umount "$MNT"
