#!/bin/bash
# Mixed-fault simulations: none of the seeds may break an invariant. Prints the seeds and, for one that fails, the line
# that replays it. SEEDS and FIRST choose others; `make check-sim SEEDS=N` runs long campaigns.
set -u
. "$(dirname "$0")/lib.sh"

seeds=${SEEDS:-500}
# Sanitizers take several times as long.
[ "${MODE:-release}" = release ] || seeds=${SEEDS:-40}
"$GRAPEVINE" sim campaign --seeds "$seeds" --first "${FIRST:-0}" || fail 'a simulation broke an invariant'
