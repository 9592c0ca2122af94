# libgmemfs is called by destructors and handlers after main has ended, and by copies of the process: nothing crashes, no
# lease stays, and none goes too early.
export GMEMFS_DRIVER="$BUILD/sim/libcuda.so.1"
for how in static atexit thread fork; do
    "$BUILD/client/endings" "$how" "$MNT"
    PYTHONPATH="$TESTS/peers" python3 -c 'import sys
from peer import *
wait_for_counts(sys.argv[1], (0, 0))' "$MNT"
done
