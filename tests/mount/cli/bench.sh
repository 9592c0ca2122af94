# gmemfs bench measures every case, as a table and as JSON, and gives its memory back; what can't be measured is an error.
# mount: none
"$GMEMFS" bench --simulate=64M --size 4M --rounds 2 > said
is "$(grep -cE ' [0-9.]+ (GB/s|us)$' said)" 10
"$GMEMFS" bench --simulate=64M --size 3M --rounds 1 --json > said
is "$(json 'd["size"], d["device"]["ordinal"], len(d["gb_per_second"]), len(d["us"])' < said)" "(4194304, 0, 6, 4)"
is "$(json 'all(x > 0 for x in [*d["gb_per_second"].values(), *d["us"].values()])' < said)" True
refuses "No space left on device" "$GMEMFS" bench --simulate=64M --size 40M
refuses "7 isn't there; this machine has 0" "$GMEMFS" bench --simulate=64M --device 7
GMEMFS_SIM_FAULTS="cuLaunchKernel#2=LAUNCH_FAILED" refuses "launch parity kernel: CUDA_ERROR_LAUNCH_FAILED" "$GMEMFS" bench --simulate=64M --size 4M
for wrong in --rounds=0 --size=0 --size=x --device=x --simulate=1 extra; do
    is "$(status_of "$GMEMFS" bench "$wrong")" 2
done
