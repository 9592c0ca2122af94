# gmemfs bench --pack measures batches of pages by processors and GPU, and keeps the model that rings choose by; without
# a GPU's back end it measures the processors, and keeps none.
# mount: none
export XDG_CACHE_HOME=$PWD/cache GMEMFS_SIM_MACHINE=bench-pack$$
GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" bench --pack --simulate=256M --pages 160 --rounds 1 > said
kinds=$((2 * 2 * 2))
is "$(grep -cE '^(un)?pack +(lz4|zstd) +(host|device) +(4|64) KiB x [0-9]+ .* [0-9.]+  (cpu|gpu)$' said)" $((kinds * (4 + 2)))
is "$(grep -cE ' 4 KiB x (1|5|96) .* %  (cpu|gpu)' said)" $((kinds * 3)) # sizes that the model hasn't seen
grep -q '^predictions are off by [0-9]* % (median)' said
model=$(sed -n 's/^model: //p' said)
[[ $model == "$XDG_CACHE_HOME/gmemfs/batch-model-"* ]]
is "$(head -1 "$model")" "gmemfs batch model 1"
is "$(stat -c %a "$model")" 600
is "$(grep -cE '^(un)?pack (lz4|zstd) (host|device) (cpu|gpu) (4096|65536) [0-9]+ [0-9]+$' "$model")" $((kinds * 2 * (4 + 2)))

before=$(stat -c %i "$model")
GMEMFS_NVCOMP=$BUILD/sim/libnvcomp.so.6 "$GMEMFS" bench --pack --simulate=256M --pages 100 --rounds 1 --json > said
is "$(json 'd["model"]' < said)" "$model"
[ "$(stat -c %i "$model")" != "$before" ]
is "$(json 'all(c["cpu"]["total_ns"] > 0 and c["gpu"]["ratio"] > 1.2 for c in d["cases"])' < said)" True
is "$(json 'd["error"]["of"] == len(d["checks"]) and d["error"]["right"] == sum(c["is_right"] for c in d["checks"])' < said)" True

rm -r cache
GMEMFS_NVCOMP=/nowhere/libnvcomp.so.6 "$GMEMFS" bench --pack --simulate=64M --pages 100 --rounds 1 > said
grep -q '^no GPU.s back end: .*pip install nvidia-libnvcomp-cu13' said
nothing find . -name 'batch-model*'
"$GMEMFS" bench --pack --pages 100 --rounds 1 --json > said
is "$(json '"no_gpu" in d and "model" not in d, {c["memory"] for c in d["cases"]}' < said | tail -1)" "(True, {'host'})"
for wrong in --pages=99 --pages=x --rounds=0; do
    is "$(status_of "$GMEMFS" bench --pack "$wrong")" 2
done
