# Whatever driver call fails, the test fails, in one line, and gives its memory back.
# mount: none
for fault in "cuMemCreate#1=OUT_OF_MEMORY" "cuMemCreate#2=OUT_OF_MEMORY" "cuMemMap#1=UNKNOWN" "cuMemHostAlloc#2=OUT_OF_MEMORY" \
    "cuMemcpyHtoDAsync#2=INVALID_VALUE" "cuMemcpyDtoHAsync#3=ECC_UNCORRECTABLE" "cuStreamSynchronize#9=LAUNCH_FAILED" \
    "cuModuleLoadData#1=OUT_OF_MEMORY" "cuLaunchKernel#1=LAUNCH_FAILED" "cuLaunchKernel#3=LAUNCH_FAILED" \
    "cuMemsetD8Async#1=INVALID_VALUE"; do
    export GMEMFS_SIM_FAULTS=$fault
    refuses "CUDA_ERROR_${fault#*=}" "$GMEMFS" test --simulate=64M --size 16M --ecc
    { "$GMEMFS" test --simulate=64M --size 16M --ecc --json 2> /dev/null || true; } > said
    is "$fault $(json 'd["passed"]' < said)" "$fault False"
    [ -n "$(json 'd["failure"]' < said)" ]
    is "$(json 'd["memory"]["used_before"], d["memory"]["used_after"]' < said)" "(0, 0)"
done
