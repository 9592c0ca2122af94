# Peers have a file over several devices at one address: what one process writes over the seam, tools read, and the other way round.
# mount: none
export GMEMFS_SIM_DEVICES=256M,256M
"$GMEMFS" mount "$MNT" --simulate --device all --ecc=on
mkdir "$MNT/spread"
setfattr -n user.gmemfs.device -v spread "$MNT/spread"
random_bytes 40000000 > data
cp data "$MNT/spread/f"
peer_python - "$MNT/spread/f" "$PWD/data" << 'P'
import sys
import gmemfs
from lives import peek, poke
path, source = sys.argv[1:]
data = open(source, "rb").read()
seam = 20 << 20
with gmemfs.open(path) as file:
    assert file.device == 0, file.device
    for devices in None, [], [1]:
        with file.map(devices=devices) as mapping:
            assert (mapping.extent_count, mapping.device) == (2, 0)
            assert peek(mapping.address, len(data)) == data
            poke(mapping.address + seam - 1000, bytes(range(250)) * 8)
            assert peek(mapping.address + seam - 1000, 2000) == bytes(range(250)) * 8
            poke(mapping.address + seam - 1000, data[seam - 1000 : seam + 1000])
            poke(mapping.address + seam - 3, b"seamed")
            data = data[: seam - 3] + b"seamed" + data[seam + 3 :]
    file.seal()
P
printf seamed | dd of=data bs=1 seek=$(((20 << 20) - 3)) conv=notrunc status=none
cmp data "$MNT/spread/f"
is "$(xattr user.gmemfs.ecc "$MNT/spread/f")" current
"$GMEMFS" verify "$MNT/spread/f" > said
"$GMEMFS" umount "$MNT"
