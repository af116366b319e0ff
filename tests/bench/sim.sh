#!/bin/bash
# sim.sh: what the simulator reaches on this machine, each figure beside the one that is asked for, with the command that
# gave it. Long runs are shortened in virtual time and their rates extrapolated; FULL=1 runs them whole (hours). The jobs
# of other simulators need GV_DATA (fashion-mnist/, breast_cancer/) and are left out without it.
# shellcheck disable=SC2046 # short() gives a setting or nothing
set -u
. "$(dirname "$0")/lib.sh"

short() { # DURATION: the setting, unless runs are to be whole
    [ -n "${FULL:-}" ] || echo "swarm.duration=$1"
}
rss() {
    calc "$(value peak_rss_bytes) / 1e9" 2
}

echo "$(nproc) processors"
run train-1000 1 $(short 10s)
line 'train, 1,000 nodes: learning, of core time' "$(calc "100 * $(value compute_share)" 1) %" '80 %'

run exchanges-10000 1
line 'mean, 10,000 nodes: exchanges/s' "$(calc "$(value exchanges_per_s)")" '150,000'
run theory 1
line 'mean, oracle: exchanges/s' "$(calc "$(value exchanges_per_s)"); factor $(calc "$(value variance_factor)" 4)" '0.3033 within 3 %'

# Membership. A shortened run has its arrivals in its first tenth and the busy first minutes of young nodes in all of it,
# so what it says of an hour is rather too much. Costs are compared between runs of the same length and views.
membership() { # SCENARIO NODES SECONDS: sets cost, microseconds of wall time per node and virtual second
    run "$1" 1 "swarm.nodes=$2" "swarm.duration=$3s" "swarm.arrival=$(($3 / 10))s" "report.every=$(($3 / 2))s"
    cost=$(calc "$(value wall_s) * 1e6 / ($2 * $(value virtual_s) + 1e-9)" 2)
}
hour() { # SECONDS: minutes that an hour takes at the rate of the last run
    calc "$(value wall_s) / $1 * 60" 1
}
long=$([ -n "${FULL:-}" ] && echo 3600 || echo 120)
longer=$([ -n "${FULL:-}" ] && echo 3600 || echo 30)
membership membership-10000 10000 "$long"
line 'membership, 10,000 nodes: an hour takes' "$(hour "$long") min, from $long s" '6 min'
membership membership-100000 1000 "$longer"
small=$cost
line 'membership, 1,000 nodes: per node-second' "$cost us" '-'
membership membership-100000 100000 "$longer"
line 'membership, 100,000 nodes: an hour takes' "$(hour "$longer") min, $(rss) GB, from $longer s" '60 min, 4 GB'
line '    per node-second, against 1,000' "$cost us, $(calc "$cost / ($small + 1e-9)" 2) times" 'at most 1.3 times'

if [ -z "${GV_DATA:-}" ]; then
    echo 'GV_DATA is not set: the jobs of gossipy and GoLF are left out'
    exit "$failed"
fi
job() { # SCENARIO WHAT ASKED [SETTING...]
    local file=$1 what=$2 asked=$3
    shift 3
    run "$file" 1 "$@"
    line "$what" "$(calc "$(value models_per_s)") models/s, $(calc "100 * $(value accuracy_mean)" 1) %, $(rss) GB" "$asked"
}
job gossipy-softmax-100 'gossipy, softmax, 100 nodes' '3,400 models/s, 81.3 %, 0.16 GB'
job gossipy-softmax-1000 'gossipy, softmax, 1,000 nodes' '26,000 models/s, 71.3 %, 0.17 GB'
job gossipy-softmax-10000 'gossipy, softmax, 10,000 nodes' '30,000 models/s, 0.32 GB' \
    $(short 20s)
job gossipy-mlp-100 'gossipy, mlp, 100 nodes' '500 models/s, 82.3 %, 0.18 GB' \
    $(short 40s)
job golf 'GoLF, logistic regression, 455 nodes' '110,000 models/s, 94.8 %'
run softmax-10000 1 $(short 20s)
line 'softmax, 10,000 nodes: memory' "$(rss) GB" '6 GB'
exit "$failed"
