# nvCOMP's ANS codec: a file that it has packed is read, written to, moved, saved and woken as any other; and what it packs
# never goes to a disk.
# mount: none
# timeout: 120
export GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
codecs() { xattr user.gmemfs.residence "$1" | json 'd["codecs"]'; }
weights 9000001 --mixed > model
cp model "$MNT/model"
is "$("$GMEMFS" pack --codec=ans "$MNT/model")" "$MNT/model: 10 MiB -> 6 MiB (1.67)"
is "$(codecs "$MNT/model")" "{'ans-bytes': 1, 'ans-half': 25, 'ans-single': 17, 'fill': 9, 'raw': 8, 'zero': 9}"
cmp model "$MNT/model"
dd if="$MNT/model" bs=100001 skip=3 count=20 status=none | cmp - <(dd if=model bs=100001 skip=3 count=20 status=none)
is "$(where "$MNT/model")" packed
printf x | dd of="$MNT/model" bs=1 seek=140777 conv=notrunc status=none
printf x | dd of=model bs=1 seek=140777 conv=notrunc status=none
is "$(where "$MNT/model")" device
cmp model "$MNT/model"
# By our own codecs it is read without nvCOMP, and without --codec the smaller one is taken: the simulated one is no better
# but for letters, which our own don't pack.
"$GMEMFS" pack --codec=own "$MNT/model"
is "$(codecs "$MNT/model")" "{'bf16': 25, 'fill': 9, 'fp32': 17, 'raw': 9, 'zero': 9}"
"$GMEMFS" unpack -q "$MNT/model"
"$GMEMFS" pack "$MNT/model"
case $(codecs "$MNT/model") in *"'bf16': 25"*) ;; *) codecs "$MNT/model"; exit 1 ;; esac
head -c 6000000 /dev/urandom | base64 -w 0 > letters
cp letters "$MNT/letters"
"$GMEMFS" pack "$MNT/letters"
says "'zstd': [0-9]" codecs "$MNT/letters"
cmp letters "$MNT/letters"
# What happens by itself makes no file depend on a library.
mkdir "$MNT/aged"
setfattr -n user.gmemfs.pack_after -v 1s "$MNT/aged"
cp letters model "$MNT/aged"
until [ "$(where "$MNT/aged/model")" = packed ]; do sleep 0.1; done
is "$(codecs "$MNT/aged/model")" "{'bf16': 25, 'fill': 9, 'fp32': 17, 'raw': 9, 'zero': 9}"
is "$(where "$MNT/aged/letters")" device
# In host memory, from the device and from there.
"$GMEMFS" unpack -q "$MNT/model"
"$GMEMFS" pack -q --host --codec=ans "$MNT/model"
is "$(where "$MNT/model")" host-packed
says "'ans-half': 25" codecs "$MNT/model"
cmp model "$MNT/model"
"$GMEMFS" unpack -q "$MNT/model"
cmp model "$MNT/model"
# A snapshot has images by our own codecs, and restores them packed where there is no nvCOMP.
"$GMEMFS" pack -q --codec=ans "$MNT/model"
"$GMEMFS" save -q --pack "$MNT/model" saved
says "'ans-half': 25" codecs "$MNT/model"
mkdir other
GMEMFS_NVCOMP=/nowhere/libnvcomp.so.6 "$GMEMFS" mount other --simulate="$SIZE"
"$GMEMFS" restore -q --packed saved other
is "$(where other/model)" packed
is "$(codecs other/model)" "{'bf16': 25, 'fill': 9, 'fp32': 17, 'raw': 9, 'zero': 9}"
cmp model other/model
# There --codec=ans says what is missing, and the file stays as it is.
"$GMEMFS" unpack -q other/model
refuses "other/model: can't be packed: the server can't open nvCOMP: install it (\`gmemfs doctor\` says how)" \
    "$GMEMFS" pack --codec=ans other/model
is "$(where other/model)" device
"$GMEMFS" pack other/model
cmp model other/model
"$GMEMFS" umount other
expect_error "gmemfs pack: --codec: 'lz5' is none of auto, own, ans, lz4, zstd" "$GMEMFS" pack --codec=lz5 "$MNT/model"
expect_error "--as-is packs nothing" "$GMEMFS" pack --host --as-is --codec=own "$MNT/model"
"$GMEMFS" umount "$MNT"
