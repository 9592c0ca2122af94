# A device that is lost to a worker is an error at once, told once; another worker, with a context of its own, goes on.
# timeout: 120
# needs: nbdcopy
truncate -s 16M "$MNT/disk"
random_bytes 16M > data
GMEMFS_SIM_FAULTS=@$PWD/plan serve "$MNT/disk" # of the workers alone
nbdcopy data "$NBD"
has_spare "$MNT/disk"
echo "cuMemcpyDtoHAsync#1=ILLEGAL_ADDRESS" > new
mv new plan
is "$(status_of timeout 20 nbdcopy "$NBD" back)" 1
fails test -e plan
nbdcopy "$NBD" back
cmp data back
is "$(device_says "$MNT/disk" 'd["takeovers"]')" 1
# One copy that fails is the error of one request, and the worker stays.
worker=$(device_says "$MNT/disk" 'd["worker"]["pid"]')
echo "cuMemcpyHtoDAsync#1=INVALID_VALUE" > new
mv new plan
expect_error "Input/output error" nbdcopy data "$NBD"
nbdcopy data "$NBD"
nbdcopy "$NBD" back
cmp data back
is "$(device_says "$MNT/disk" 'd["worker"]["pid"], d["takeovers"]')" "($worker, 1)"
"$GMEMFS" block --detach "$MNT/disk"

# One that fails every worker: each client hears of it, and none waits.
GMEMFS_SIM_FAULTS="cuMemcpyDtoHAsync%1=ILLEGAL_ADDRESS" serve "$MNT/disk"
for _ in 1 2 3; do
    has_spare "$MNT/disk"
    is "$(status_of timeout 20 nbdcopy "$NBD" back)" 1
done
cmp data "$MNT/disk"
"$GMEMFS" block --detach "$MNT/disk"
# One whose memory can't be had begins to serve nothing, and leaves nothing behind.
for fault in cuMemImportFromShareableHandle#1=UNKNOWN cuMemMap#1=OUT_OF_MEMORY cuStreamCreate#1=OUT_OF_MEMORY; do
    status=0
    GMEMFS_SIM_FAULTS=$fault "$GMEMFS" block "$MNT/disk" --socket s 2> said || status=$?
    case $fault in
    cuStreamCreate*) is "$status" 0 && "$GMEMFS" block --detach "$MNT/disk" ;; # each client makes its own
    *) is "$status" 1 && grep -q "^gmemfs: serve the disk: .*CUresult" said ;;
    esac
    fails test -e s
done
