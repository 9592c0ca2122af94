# save --pack stores images, of packed files and of plain ones; in the mount all stays as it is. restore wakes what comes back,
# --packed leaves it packed, --as-saved what was; in a folder of a disk the host unpacks it.
mkdir "$MNT/models" "$MNT/models/sub"
weights 9000001 --mixed > first
weights 4194304 --seed 2 > second
random_bytes 3000000 > random
echo text > small
cp first "$MNT/models/packed"
cp second "$MNT/models/sub/plain"
cp random small "$MNT/models"
: > "$MNT/models/empty"
truncate -s 40M "$MNT/models/zeros"
ln "$MNT/models/packed" "$MNT/models/sub/link"
setfattr -n user.note -v kept "$MNT/models/packed"
touch -d 2001-02-03 "$MNT/models/packed"
"$GMEMFS" pack -q "$MNT/models/packed"
digest=$(xattr user.gmemfs.digest "$MNT/models/sub/plain") # of this one it is known then
state() { for file in packed sub/plain random zeros; do where "$MNT/models/$file"; xattr user.gmemfs.generation "$MNT/models/$file"; echo; done; }
before=$(state)
used=$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')
told=$("$GMEMFS" save --pack --verify --json "$MNT/models" snapshot)
reasons='[d["packed"]["plain_" + why] for why in ("saving_nothing", "busy", "without_room", "otherwise")]'
is "$(json '[d["packed"][name] for name in ("files", "bytes")]' <<< "$told")" "[3, $((9000001 + 4194304 + (40 << 20)))]"
is "$(json "$reasons" <<< "$told")" "[1, 0, 0, 0]"
is "$(state)" "$before"
is "$("$GMEMFS" stat --json "$MNT" | json 'd["used"]')" "$used"
"$GMEMFS" save "$MNT/models" whole
[ "$(size_of snapshot)" -lt $(($(size_of whole) - 3000000)) ]
"$GMEMFS" restore --check snapshot
says "9000001 packed" "$GMEMFS" restore --list snapshot
says "3 files packed, 52.6 MiB as [0-9.]* MiB; 1 saved plain: nothing would be saved" "$GMEMFS" save --pack "$MNT/models" again

same() { # FOLDER: all of it, with names, times and attributes
    cmp first "$1/packed"
    cmp second "$1/sub/plain"
    cmp random "$1/random"
    cmp small "$1/small"
    is "$(size_of "$1/zeros") $(sha "$1/zeros")" "$((40 << 20)) $(zeros $((40 << 20)))"
    is "$(stat -c %s "$1/empty")" 0
    is "$(stat -c %i "$1/packed")" "$(stat -c %i "$1/sub/link")"
    is "$(stat -c %y "$1/packed")" "2001-02-03 00:00:00.000000000 +0000"
    is "$(xattr user.note "$1/packed")" kept
}
three() { echo "$(where "$MNT/back/packed") $(where "$MNT/back/sub/plain") $(where "$MNT/back/zeros")"; }
for options in "" --packed --as-saved --verify "--packed --verify" "--threads 1"; do
    mkdir "$MNT/back"
    # shellcheck disable=SC2086
    "$GMEMFS" restore $options snapshot "$MNT/back"
    case $options in
        *--packed*) is "$(three)" "packed packed packed" ;;
        --as-saved) is "$(three)" "packed device device" ;;
        *) is "$(three)" "device device device" ;;
    esac
    is "$(xattr user.gmemfs.digest "$MNT/back/sub/plain")" "$digest"
    same "$MNT/back"
    printf x >> "$MNT/back/packed" # which wakes it
    is "$(tail -c 1 "$MNT/back/packed") $(size_of "$MNT/back/packed")" "x 9000002"
    rm -r "$MNT/back"
done
mkdir disk
"$GMEMFS" restore --verify snapshot disk
same disk
# By a pipe, and one file alone.
mkdir "$MNT/back"
"$GMEMFS" save --pack "$MNT/models" - | "$GMEMFS" restore --packed - "$MNT/back"
is "$(three)" "packed packed packed"
same "$MNT/back"
"$GMEMFS" save --pack --quiet "$MNT/models/packed" one
"$GMEMFS" restore --overwrite one "$MNT/back"
is "$(where "$MNT/back/packed")" device
cmp first "$MNT/back/packed"
fails "$GMEMFS" restore --packed --as-saved one "$MNT"
# What nothing was packed of is as readable as any.
"$GMEMFS" save --pack --quiet disk of_a_disk
is "$("$GMEMFS" restore --list of_a_disk | wc -l)" "$("$GMEMFS" restore --list snapshot | wc -l)"
