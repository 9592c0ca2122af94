# A directory's files may live in host memory: they take none of the device, and outlive their server.
# mount: none
needs_linux_that_asks_again
"$GMEMFS" mount "$MNT" --simulate="$SIZE"
mkdir "$MNT/host"
setfattr -n user.gmemfs.device -v host "$MNT/host"
is "$(xattr user.gmemfs.device "$MNT/host")" host
weights 8388608 > model
mkdir "$MNT/host/below"
for at in "$MNT/host/model" "$MNT/host/below/model"; do
    cp model "$at"
    is "$(xattr user.gmemfs.device "$at") $(where "$at")" "host device"
    cmp model "$at"
done
echo small > "$MNT/host/small"
used() { xattr user.gmemfs.stats "$MNT" | json 'd["used"], d["host"]["used"], d["host"]["files"]'; }
is "$(used)" "(0, 18874368, 0)"
expect_error "Invalid argument" setfattr -n user.gmemfs.device -v hosts "$MNT/host"
is "$("$GMEMFS" pack "$MNT/host/model")" "$MNT/host/model: 8 MiB -> 6 MiB (1.33)"
cmp model "$MNT/host/model"
is "$("$GMEMFS" pack --host "$MNT/host/below/model")" "$MNT/host/below/model: kept as it is: nothing would be saved"
crash_server
cmp model "$MNT/host/model"
is "$(cat "$MNT/host/small")" small
is "$(where "$MNT/host/model") $(where "$MNT/host/below/model")" "packed device"
printf x >> "$MNT/host/model"
printf x >> model
cmp model "$MNT/host/model"
is "$(where "$MNT/host/model")" device
is "$(xattr user.gmemfs.extents "$MNT/host/model" | json 'd[0]["device"]')" host
fsx_seed=20261130
python3 - "$MNT/host/random" $fsx_seed << 'P'
import os, random, sys
rng, model = random.Random(int(sys.argv[2])), bytearray()
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for _ in range(300):
    at, size = rng.randrange(6 << 20), rng.randrange(300000)
    match rng.randrange(4):
        case 0:
            data = rng.randbytes(size)
            os.pwrite(fd, data, at)
            model.extend(bytes(max(0, at + size - len(model))))
            model[at:at + size] = data
        case 1:
            os.truncate(fd, at)
            model = model[:at] + bytes(max(0, at - len(model)))
        case _:
            assert os.pread(fd, size, at) == model[at:at + size], (at, size)
assert os.pread(fd, len(model) + 1, 0) == model[:0x7ffff000]
P
rm -r "$MNT/host"
is "$(used)" "(0, 0, 0)"
"$GMEMFS" umount "$MNT"
