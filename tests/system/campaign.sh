#!/bin/bash
# Mixed-fault simulations: none of the seeds may break an invariant, neither the first SEEDS from FIRST nor those that
# have failed before. Prints the line that replays one that fails. `make check-sim SEEDS=N` runs long campaigns.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

seeds=${SEEDS:-500}
# Sanitizers take several times as long.
[ "${MODE:-release}" = release ] || seeds=${SEEDS:-40}
"$GRAPEVINE" sim campaign --seeds "$seeds" --first "${FIRST:-0}" || fail 'a simulation broke an invariant'
while read -r seed; do
    case $seed in '#'*) continue ;; esac
    "$GRAPEVINE" sim campaign --seeds 1 --first "$seed" >"$T/one" 2>&1 || {
        cat "$T/one"
        fail "seed $seed, which failed once and was mended, fails again"
    }
done <"$here/failed_seeds.txt"
