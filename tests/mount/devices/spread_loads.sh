# gmemfs cp of a file that lies on several devices, in and out: each part by the device that it lies on, past FUSE; with links
# between the devices and without.
# mount: none
needs_linux_that_asks_again
export GMEMFS_SIM_DEVICES=128M,128M,128M
through_fuse() { "$GMEMFS" stat --json "$MNT" | json 'd["bytes_written"], d["bytes_read"]'; }
devices_of() { xattr user.gmemfs.extents "$1" | json '[(e["device"][-1], e["length"] >> 20) for e in d]'; }
random_bytes 20000001 > large
random_bytes 150000001 > units
for links in 1 0; do
    GMEMFS_SIM_PEERS=$links "$GMEMFS" mount "$MNT" --simulate --device all --ecc=on
    mkdir "$MNT/spread" "$MNT/interleave"
    setfattr -n user.gmemfs.device -v spread:0-2 "$MNT/spread"
    setfattr -n user.gmemfs.device -v interleave:64M:0-1 "$MNT/interleave"
    export GMEMFS_SIM_PEERS=$links
    "$GMEMFS" cp --verify large "$MNT/spread"
    "$GMEMFS" cp --verify units "$MNT/interleave"
    is "$(devices_of "$MNT/spread/large")" "[('0', 8), ('1', 8), ('2', 4)]"
    is "$(devices_of "$MNT/interleave/units")" "[('0', 64), ('1', 64), ('0', 16)]"
    "$GMEMFS" cp --threads 1 "$MNT/spread/large" out
    cmp large out
    "$GMEMFS" cp "$MNT/interleave/units" out
    cmp units out
    is "$(through_fuse)" "(0, 0)"
    "$GMEMFS" verify "$MNT" > said
    # Each device takes a context. Where the third one can't be had, it goes through FUSE, and is right all the same.
    GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain#3+=OUT_OF_MEMORY" "$GMEMFS" cp "$MNT/interleave/units" out
    is "$(through_fuse)" "(0, 0)"
    GMEMFS_SIM_FAULTS="cuDevicePrimaryCtxRetain#3+=OUT_OF_MEMORY" "$GMEMFS" cp "$MNT/spread/large" out
    differs "$(through_fuse)" "(0, 0)"
    cmp large out
    # Mapped so that each device reaches its own: that needs no link, and gives no more.
    peer_python - "$MNT/spread/large" "$PWD/large" "$links" << 'P'
import sys
import gmemfs
from lives import peek
path, source, links = sys.argv[1:]
data = open(source, "rb").read()
seam = 8 << 20
with gmemfs.open(path) as file:
    with file.map(reach="own") as mapping:
        assert (mapping.extent_count, peek(mapping.address, seam)) == (3, data[:seam])
        try: raise SystemExit(f"device 0 has read {peek(mapping.address + seam, 1)}")
        except AssertionError: pass
    try:
        with file.map() as mapping: assert links == "1" and peek(mapping.address + seam - 1, 2) == data[seam - 1 : seam + 1]
    except OSError as error: assert links == "0", error
    try: raise SystemExit(f"mapped {file.map(reach='own', devices=[1])}")
    except ValueError as error: assert "lists no devices" in str(error), error
P
    # What fails on one device ends the copy, and leaves nothing of it.
    GMEMFS_SIM_FAULTS="cuMemcpyHtoDAsync#4=INVALID_VALUE" refuses "copy to device" "$GMEMFS" cp large "$MNT/spread/broken"
    [ ! -e "$MNT/spread/broken" ]
    rm -r "$MNT/spread" "$MNT/interleave"
    is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
    "$GMEMFS" umount "$MNT"
done
