# --json prints one object and nothing else, whatever the outcome.
# mount: none
"$GMEMFS" test --simulate=64M --size 16M --ecc --device 0 --json > said
is "$(json 'd["passed"], d["ecc"], d["size"], d["mismatches"], "failure" in d' < said)" "(True, True, 16777216, 0, False)"
is "$(json 'd["device"]["ordinal"], d["device"]["uuid"][:4]' < said)" "(0, 'GPU-')"
is "$(json 'd["parity"]["blocks"], d["parity"]["blocks_made"], d["parity"]["blocks_found"]' < said)" "(128, 40, 40)"
is "$(json 'd["parity"]["blocks_repaired"], d["parity"]["beyond_repair_made"], d["parity"]["beyond_repair_found"]' < said)" \
    "(32, 8, 8)"
is "$(json 'all(s["passed"] and s["seconds"] >= 0 for s in d["steps"])' < said)" True
is "$(json 'sum(s.get("gb_per_second", 0) > 0 for s in d["steps"])' < said)" 10
uuid=$(json 'd["device"]["uuid"]' < said)
is "$("$GMEMFS" test --simulate=64M --size 2M --json --device "$uuid" | json 'd["passed"], "parity" in d')" "(True, False)"

is "$(status_of "$GMEMFS" test --simulate=64M --size 16M --plant memory --json)" 1
{ "$GMEMFS" test --simulate=64M --size 16M --plant memory --json 2> /dev/null || true; } > said
is "$(json 'd["passed"], d["mismatches"], "written" in d["failure"], d["steps"][-2]["passed"]' < said)" "(False, 1, True, False)"
{ "$GMEMFS" test --simulate=64M --device 9 --json 2> /dev/null || true; } > said
is "$(json 'd["passed"], d["steps"]' < said)" "(False, [])"
