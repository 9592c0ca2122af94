# gmemfs mv takes a file to the device of the directory that it goes to, with all that belongs to it; what is there already, or goes
# to a directory of no device, is renamed. Trees, links, parity, cold files, with a link between the devices and without.
# mount: none
# timeout: 120
needs_linux_that_asks_again
weights 7340032 > model
random_bytes 3000001 > noise
export GMEMFS_SIM_DEVICES=256M,256M
inode() { stat -c %i "$1"; }
free_on() { "$GMEMFS" stat --json "$MNT" | json "d['devices'][$1]['free']"; }
for links in 1 0; do
    GMEMFS_SIM_PEERS=$links "$GMEMFS" mount "$MNT" --simulate --device all --ecc=on
    devices=$("$GMEMFS" stat --json "$MNT" | json '" ".join(d["uuid"] for d in d["devices"])')
    mkdir "$MNT/0" "$MNT/1" "$MNT/any"
    setfattr -n user.gmemfs.device -v "${devices% *}" "$MNT/0"
    setfattr -n user.gmemfs.device -v "${devices#* }" "$MNT/1"
    on() { is "$(xattr user.gmemfs.extents "$1" | json '",".join({e["device"] for e in d})')" "$2"; }

    # One file: bytes, mode, times, attributes; its memory on the old device is free.
    before=$(free_on 0)
    cp model "$MNT/0/model"
    chmod 640 "$MNT/0/model"
    touch -d 2020-02-02T02:02:02.123456789 "$MNT/0/model"
    setfattr -n user.note -v kept "$MNT/0/model"
    is "$("$GMEMFS" mv --verify --json "$MNT/0/model" "$MNT/1" | json 'd["bytes"], d["copied"], d["renamed"]')" "(7340032, 1, 0)"
    fails test -e "$MNT/0/model"
    cmp model "$MNT/1/model"
    on "$MNT/1/model" "${devices#* }"
    is "$("$GMEMFS" stat --json "$MNT/1/model" | json 'd["device"]')" "${devices#* }"
    says "^device  *${devices#* }$" "$GMEMFS" stat "$MNT/1/model"
    is "$(mode_of "$MNT/1/model") $(stat -c %.9Y "$MNT/1/model") $(xattr user.note "$MNT/1/model")" \
        "640 $(date -d 2020-02-02T02:02:02.123456789 +%s.%N) kept"
    is "$(free_on 0)" "$before"

    # Renamed: by gmemfs mv where nothing has to be copied, and by mv always.
    was=$(inode "$MNT/1/model")
    is "$("$GMEMFS" mv -v "$MNT/1/model" "$MNT/1/other")" "renamed '$MNT/1/model' -> '$MNT/1/other'"
    "$GMEMFS" mv "$MNT/1/other" "$MNT/any"
    mv "$MNT/any/other" "$MNT/0/model"
    is "$(inode "$MNT/0/model")" "$was"
    on "$MNT/0/model" "${devices#* }"
    refuses "are the same file" "$GMEMFS" mv "$MNT/0/model" "$MNT/0"
    mv "$MNT/0/model" "$MNT/any/model"
    is "$("$GMEMFS" mv -v "$MNT/any/model" "$MNT/0")" "moved '$MNT/any/model' -> '$MNT/0/model'"
    on "$MNT/0/model" "${devices% *}"

    # Over a file that is there: that one's memory goes, and mode and owner are the source's.
    cp noise "$MNT/1/model"
    chmod 600 "$MNT/1/model"
    ln "$MNT/1/model" "$MNT/1/old"
    quiet "$GMEMFS" mv -n "$MNT/0/model" "$MNT/1"
    cmp noise "$MNT/1/model"
    "$GMEMFS" mv -f "$MNT/0/model" "$MNT/1"
    cmp model "$MNT/1/model"
    cmp noise "$MNT/1/old"
    is "$(mode_of "$MNT/1/model")" 640
    rm "$MNT/1/model" "$MNT/1/old"

    # A tree: what is on the right device keeps its inode; links stay links; directories are of the new device.
    mkdir -p "$MNT/0/tree/deep/empty"
    cp model noise "$MNT/0/tree/deep"
    ln "$MNT/0/tree/deep/model" "$MNT/0/tree/second"
    ln -s deep/noise "$MNT/0/tree/link"
    mkfifo "$MNT/0/tree/fifo"
    : > "$MNT/0/tree/nothing"
    cp noise "$MNT/1/there"
    mv "$MNT/1/there" "$MNT/0/tree/there"
    was=$(inode "$MNT/0/tree/there")
    chmod 555 "$MNT/0/tree/deep/empty"
    touch -d 2021-01-01 "$MNT/0/tree/deep"
    "$GMEMFS" mv "$MNT/0/tree" "$MNT/1"
    nothing ls -A "$MNT/0"
    is "$(ls -A "$MNT/1")" tree
    is "$(cd "$MNT/1/tree" && find . -printf '%y %P\n' | sort | tr '\n' ,)" \
        "d ,d deep,d deep/empty,f deep/model,f deep/noise,f nothing,f second,f there,l link,p fifo,"
    cmp model "$MNT/1/tree/second"
    cmp noise "$MNT/1/tree/link"
    is "$(inode "$MNT/1/tree/second")" "$(inode "$MNT/1/tree/deep/model")"
    is "$(inode "$MNT/1/tree/there")" "$was"
    is "$(stat -c %h "$MNT/1/tree/there")" 1
    for file in deep/model deep/noise there; do on "$MNT/1/tree/$file" "${devices#* }"; done
    for path in . deep deep/empty nothing; do is "$(xattr user.gmemfs.device "$MNT/1/tree/$path")" "${devices#* }"; done
    is "$(mode_of "$MNT/1/tree/deep/empty") $(stat -c %Y "$MNT/1/tree/deep")" "555 $(date -d 2021-01-01 +%s)"
    is "$(free_on 0)" "$before"
    # Nothing of it has to be copied, so the directory itself is renamed; and with a placement of none in particular, too.
    was=$(inode "$MNT/1/tree")
    mkdir "$MNT/1/inner"
    "$GMEMFS" mv "$MNT/1/tree" "$MNT/1/inner"
    "$GMEMFS" mv "$MNT/1/inner/tree" "$MNT/any"
    is "$(inode "$MNT/any/tree")" "$was"

    # Onto both devices, and from there; to where any is right it is renamed.
    mkdir "$MNT/both" "$MNT/auto"
    setfattr -n user.gmemfs.device -v spread "$MNT/both"
    setfattr -n user.gmemfs.device -v auto "$MNT/auto"
    cp model "$MNT/0/model"
    was=$(inode "$MNT/0/model")
    "$GMEMFS" mv "$MNT/0/model" "$MNT/auto"
    is "$(inode "$MNT/auto/model")" "$was"
    "$GMEMFS" mv "$MNT/auto/model" "$MNT/both"
    cmp model "$MNT/both/model"
    is "$(xattr user.gmemfs.extents "$MNT/both/model" | json 'sorted(e["device"] for e in d)')" "['${devices% *}', '${devices#* }']"
    was=$(inode "$MNT/both/model")
    is "$("$GMEMFS" mv -v "$MNT/both/model" "$MNT/both/again" | cut -d ' ' -f 1)" renamed
    "$GMEMFS" mv "$MNT/both/again" "$MNT/auto"
    is "$(inode "$MNT/auto/again")" "$was"
    "$GMEMFS" mv "$MNT/auto/again" "$MNT/1"
    cmp model "$MNT/1/again"
    on "$MNT/1/again" "${devices#* }"
    rm "$MNT/1/again"

    # A cold file arrives plain; one of host memory has that as its device.
    "$GMEMFS" pack "$MNT/any/tree/second" > said
    "$GMEMFS" mv "$MNT/any/tree/second" "$MNT/0/cold"
    cmp model "$MNT/0/cold"
    is "$(where "$MNT/0/cold") $(where "$MNT/any/tree/deep/model")" "device packed"
    mkdir "$MNT/host"
    setfattr -n user.gmemfs.device -v host "$MNT/host"
    "$GMEMFS" mv "$MNT/0/cold" "$MNT/host"
    cmp model "$MNT/host/cold"
    is "$(xattr user.gmemfs.device "$MNT/host/cold")" host
    "$GMEMFS" verify "$MNT/host" "$MNT/any/tree/deep/noise" > said

    # Several sources, out of the mount and into it. Names of one file are names of one file again.
    cp model "$MNT/0/first"
    ln "$MNT/0/first" "$MNT/0/second"
    "$GMEMFS" mv "$MNT/0/first" "$MNT/0/second" "$MNT/1"
    is "$(inode "$MNT/1/first")" "$(inode "$MNT/1/second")"
    mkdir out
    "$GMEMFS" mv "$MNT/1/first" "$MNT/1/second" "$MNT/any/tree" out
    nothing find "$MNT/1" "$MNT/any" -mindepth 1 ! -path "$MNT/1/inner"
    cmp model out/first
    cmp noise out/tree/deep/noise
    is "$(inode out/first)" "$(inode out/second)"
    "$GMEMFS" mv out/tree out/first "$MNT/0"
    cmp model "$MNT/0/tree/deep/model"
    on "$MNT/0/first" "${devices% *}"
    is "$(ls -A out)" second
    rm -r out
    rm -r "${MNT:?}"/*
    is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" 0
    "$GMEMFS" umount "$MNT"
done
