# What can't be understood is a mistake of use, and nothing is tested.
# mount: none
for options in "--nonsense" "nonsense" "--size" "--size=" "--size=0" "--size=-1" "--size=12Q" "--device=nonsense" "--device=" \
    "--device=-1" "--seed=nonsense" "--simulate=12Q" "--simulate=" "--simulate=1M" "--plant=nonsense" "--plant=parity" \
    "--plant=repair"; do
    status=0
    "$GMEMFS" test --simulate --size 2M $options > said 2> complaints || status=$?
    is "$options: $status" "$options: 2"
    nothing cat said
    is "$(wc -l < complaints)" 1
    grep -q "gmemfs test --help" complaints
done
says "--ecc" "$GMEMFS" test --help
says "130: interrupted" "$GMEMFS" help test
