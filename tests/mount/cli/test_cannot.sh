# What can't be tested is an error, in one line: no driver, no such device, too little memory.
# mount: none
refuses "7 isn't there; this machine has 0" "$GMEMFS" test --simulate=64M --size 2M --device 7
refuses "GPU-none isn't there" "$GMEMFS" test --simulate=64M --size 2M --device GPU-none
refuses "No space left on device" "$GMEMFS" test --simulate=64M --size 65M
refuses "No space left on device" "$GMEMFS" test --simulate=64M --size 64M --ecc # no room for parity
"$GMEMFS" test --simulate=64M --size 64M > /dev/null
export GMEMFS_SIM_DEVICES=0
refuses "CUDA_ERROR_NO_DEVICE" "$GMEMFS" test --simulate --size 2M
