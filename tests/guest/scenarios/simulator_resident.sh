# kernel: 12 13
# memory: 384M
# device: 1024M
# built: conformance-tests
# The simulator answers as a card does with GMEMFS_SIM_RESIDENT=1, too, on which each other scenario here relies. One case
# doesn't hold: memory is taken from the host when it is made.
unset GMEMFS_SIM_DEVICES
conformance-tests --driver /gmemfs/sim/libcuda.so.1 --gtest_brief=1 --gtest_filter=-*.LargeMemoryTakesLittleOfTheHost
