# A bit that turns behind the test's back is found where it turned: status 1, and one line that says where.
# mount: none
planted() { # planted WHERE TEXT STEP [OPTION...]
    local where=$1 text=$2 step=$3
    shift 3
    for seed in 1 2 3; do
        refuses "$text" "$GMEMFS" test --simulate=64M --size 16M --plant "$where" --seed "$seed" "$@"
        { "$GMEMFS" test --simulate=64M --size 16M --plant "$where" --seed "$seed" "$@" 2> /dev/null || true; } > said
        grep -q "^fail  *$step" said
        is "$(grep -c ^fail said)" 1
        grep -q "^ok  *free" said
        fails grep -q passed said
    done
}
planted memory "1 bytes aren't as they were written" "read back and compare"
planted memory "1 bytes aren't as they were written" "read back and compare" --ecc
planted parity "1 blocks don't agree with their parity" verify --ecc
planted repair "1 bytes aren't as they were written" "compare with what it was" --ecc
