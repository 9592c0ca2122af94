# copy_file_range(2), cp and gmemfs cp between files on two devices of a mount: over their link, or where they have none through the
# host; plain, packed, in host memory, with parity.
# mount: none
needs_linux_that_asks_again
weights 7340032 > model
random_bytes 3000001 > noise
export GMEMFS_SIM_DEVICES=256M,256M
for links in 1 0; do
    GMEMFS_SIM_PEERS=$links "$GMEMFS" mount "$MNT" --simulate --device all --ecc=on --verify-reads
    devices=$("$GMEMFS" stat --json "$MNT" | json '" ".join(d["uuid"] for d in d["devices"])')
    mkdir "$MNT/0" "$MNT/1"
    setfattr -n user.gmemfs.device -v "${devices% *}" "$MNT/0"
    setfattr -n user.gmemfs.device -v "${devices#* }" "$MNT/1"
    on() { is "$(xattr user.gmemfs.extents "$1" | json '",".join({e["device"] for e in d})')" "$2"; }
    cp model noise "$MNT/0"
    cp "$MNT/0/model" "$MNT/1/model"
    cmp model "$MNT/1/model"
    on "$MNT/1/model" "${devices#* }"
    "$GMEMFS" cp --verify "$MNT/0/noise" "$MNT/1/noise"
    cmp noise "$MNT/1/noise"
    on "$MNT/1/noise" "${devices#* }"
    # As much as is worth opening the source to the other device.
    random_bytes 40000001 > large
    cp large "$MNT/0"
    for copy in first second; do
        "$GMEMFS" cp "$MNT/0/large" "$MNT/1/$copy"
        cmp large "$MNT/1/$copy"
        rm "$MNT/1/$copy"
    done
    # Bytes into the midst of a file that is there, and back to the device that they came from.
    python3 - "$MNT/0/noise" "$MNT/1/model" "$MNT/0/both" << 'END'
import os, sys
noise, model, both = (os.open(path, os.O_RDWR | os.O_CREAT) for path in sys.argv[1:])
assert os.copy_file_range(noise, model, 2_000_000, 1001, 3_000_333) == 2_000_000
assert os.copy_file_range(model, both, 1 << 30, 0, 17) == 7_340_032
expected = bytearray(open("model", "rb").read())
expected[3_000_333 : 5_000_333] = open("noise", "rb").read()[1001:2_001_001]
assert os.pread(model, 1 << 30, 0) == expected
assert os.pread(both, 1 << 30, 0) == bytes(17) + expected
END
    on "$MNT/0/both" "${devices% *}"
    # Of a cold file the device decodes what goes over.
    "$GMEMFS" pack "$MNT/0/model" > said
    cp "$MNT/0/model" "$MNT/1/of-packed"
    cmp model "$MNT/1/of-packed"
    is "$(where "$MNT/0/model")" packed
    for options in --host "--host --as-is"; do
        "$GMEMFS" unpack "$MNT/0/model" > said
        # shellcheck disable=SC2086 # two words
        "$GMEMFS" pack $options "$MNT/0/model" > said
        rm "$MNT/1/of-packed"
        cp "$MNT/0/model" "$MNT/1/of-packed"
        cmp model "$MNT/1/of-packed"
        on "$MNT/1/of-packed" "${devices#* }"
    done
    "$GMEMFS" verify "$MNT/0" "$MNT/1" > said
    for file in "$MNT"/?/*; do is "$(xattr user.gmemfs.ecc "$file")" current; done
    rm -r "$MNT/0" "$MNT/1"
    is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
    "$GMEMFS" umount "$MNT"
done
