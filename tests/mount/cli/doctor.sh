# doctor says what this machine can do, for people and as JSON; that it can mount only after a mount of its own.
# mount: none
mkdir tmp
export TMPDIR=$PWD/tmp
"$GMEMFS" doctor > said || is $? 1 # where something is missing
grep -q /dev/fuse said
GMEMFS_NVCOMP=/nowhere/libnvcomp.so.6 "$GMEMFS" doctor > said || is $? 1
grep -q '^warn  nvCOMP ' said
grep -q '^ *-> pip install nvidia-libnvcomp-cu13==' said
GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" doctor > said || is $? 1
grep -q '^ok    nvCOMP .*/libnvcomp.so.6, version 6.0.0$' said
# What a block device would need, each with its fix where this machine hasn't got it.
for name in ublk nbd swap; do grep -qE "^(ok  |warn) +$name " said; done
[ -e /dev/ublk-control ] || grep -q -- '-> .*modprobe ublk_drv' said
# said_of NAME FIELD: of the check of that name, in what was said as JSON.
said_of() { json "next(c['$2'] for c in d['checks'] if c['name'] == '$1')" < said; }

"$GMEMFS" doctor --simulate --json > said
is "$(json 'd["can_mount"]' < said)" True
is "$(said_of "FUSE session" verdict)" ok
version=$("$GMEMFS" version --json | json 'd["libfuse"]')
[[ $(said_of "FUSE session" found) == "libfuse $version, with"*" custom I/O, FUSE 7."*": mounted, asked and unmounted" ]]
fails grep -q "$TMPDIR" /proc/self/mounts
nothing ls tmp

# Here a process has the capability, and mount(2) refuses all the same.
unshare --user --map-root-user true || skip "no user namespaces here: half of the test"
status=0
unshare --user --map-root-user "$GMEMFS" doctor --simulate --json > said || status=$?
is "$status" 1
is "$(json 'd["can_mount"] or d["can_simulate"]' < said)" False
is "$(said_of mounting verdict)" ok
is "$(said_of "FUSE session" verdict)" fail
[[ $(said_of "FUSE session" fix) == *"--cap-add SYS_ADMIN"* ]]
