# NIXL's helpers move a file between two mounts over a network: the right bytes, ranges alone, parts on several devices,
# errors on both sides within seconds when either end is killed, gives up or has no room; and nobody is left.
# size: 512M
# needs: ip nsenter
# timeout: 120
needs_root
[ -n "${GMEMFS_NIXL:-}" ] || [ -e "$TESTS/../../.nixl" ] || skip "no NIXL: make deps-nixl"
there=gmemfs-a-$$ here=gmemfs-b-$$
ip netns add "$there" || skip "no network namespaces"
trap 'ip netns del "$there"; ip netns del "$here"; "$GMEMFS" umount other || true' EXIT
ip netns add "$here"
ip -n "$there" link add eth0 type veth peer name eth0 netns "$here" || skip "no veth"
ip -n "$there" addr add 10.77.0.1/24 dev eth0
ip -n "$here" addr add 10.77.0.2/24 dev eth0
for host in "$there" "$here"; do ip -n "$host" link set eth0 up; ip -n "$host" link set lo up; done
mkdir other
export OTHER_MACHINE=$GMEMFS_SIM_MACHINE-other
GMEMFS_SIM_MACHINE=$OTHER_MACHINE GMEMFS_SIM_DEVICES=256M,256M "$GMEMFS" mount other --simulate --device all
# UCX would find shared memory between the two otherwise.
THERE=$there HERE=$here UCX_TLS=tcp UCX_NET_DEVICES=eth0 GMEMFS_NIXL_MEMORY=auto python3 "$TESTS/hosts/nixl_engine.py"
