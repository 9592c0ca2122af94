# NIXL's helpers move a file between two mounts over a network: the right bytes, ranges alone, parts on several devices,
# errors on both sides within seconds when either end is killed, gives up or has no room; and nobody is left.
# size: 512M
# needs: ip nsenter
# timeout: 120
needs_nixl
two_hosts 10.77.0
mkdir other
export OTHER_MACHINE=$GMEMFS_SIM_MACHINE-other
GMEMFS_SIM_MACHINE=$OTHER_MACHINE GMEMFS_SIM_DEVICES=256M,256M "$GMEMFS" mount other --simulate --device all
# UCX would find shared memory between the two otherwise.
THERE=$there HERE=$here UCX_TLS=tcp UCX_NET_DEVICES=eth0 GMEMFS_NIXL_MEMORY=auto python3 "$TESTS/hosts/nixl_engine.py"
