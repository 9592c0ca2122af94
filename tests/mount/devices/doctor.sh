# doctor tells which devices reach each other's memory, where there are several.
# mount: none
said_of() {
    GMEMFS_SIM_DEVICES=$1 GMEMFS_SIM_PEERS=$2 GMEMFS_SIM_MACHINE=$GMEMFS_SIM_MACHINE.$1 "$GMEMFS" doctor --simulate --json |
        json "[(c['verdict'], c['found']) for c in d['checks'] if c['name'] == 'links of devices']"
}
is "$(said_of 3x64M 1)" "[('ok', \"each reaches each other one's memory\")]"
is "$(said_of 3x64M 0-1)" "[('warn', \"which other devices' memory each reaches: 0: 1; 1: 0; 2: none\")]"
is "$(said_of 64M 1)" "[]"
GMEMFS_SIM_PEERS=0-0 fails "$GMEMFS" doctor --simulate
for nodes in x 0,1,2 -2; do GMEMFS_SIM_NODES=$nodes fails "$GMEMFS" doctor --simulate; done
