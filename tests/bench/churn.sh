#!/bin/bash
# churn.sh: whether a swarm holds together, in simulation: each figure beside the one that is asked for, with the command
# that gave it. Long spans are shortened; FULL=1 runs them whole (hours). SEEDS (50) runs with hostile members.
set -u
. "$(dirname "$0")/lib.sh"
seeds=${SEEDS:-50}

whole() { # FULL-SETTING SHORT-SETTING
    [ -n "${FULL:-}" ] && echo "$1" || echo "$2"
}
recovery() { # SECONDS-OF-THE-FAULT: seconds until one component for good
    calc "$(value connected_since_s) > $1 ? $(value connected_since_s) - $1 : 5" # samples are 5 s apart
}

for share in 50 80 95; do
    run killed-10000 1 faults.kill=none "faults.kill=$share% at 5min"
    line "$share % of 10,000 killed at once: one component within" "$(recovery 300) s" "$([ $share = 95 ] && echo 5 min || echo 60 s)"
    [ $share = 50 ] && line '    crash detected by a neighbour (99th percentile)' "$(value p99_s crash_detection) s" '15 s'
done
run killed-10000 1 faults.kill=none 'faults.restart=100% at 5min'
line 'all 10,000 restarted at once: one component within' "$(recovery 300) s" '60 s'
run killed-10000 1 faults.kill=none swarm.same_seeds=yes swarm.seeds=3 'faults.kill=seeds at 5min'
line 'all seeds dead: one component throughout' "since $(value connected_since_s) s" 'before 300 s'
run killed-10000 1 faults.kill=none 'faults.leave=100 at 5min' 'faults.revoke=10 at 6min' swarm.duration=8min
line 'farewell known (99th percentile, longest)' "$(value p99_s leave_spread), $(value max_s leave_spread) s" '2 s'
line 'revocation known (99th percentile), by how many' \
    "$(value p99_s revocation_spread) s, $(calc "100 * $(value revocations_known_share)" 2) %" '30 s, 99.9 %'

run replaced-1000 1 "swarm.duration=$(whole 24h 1h)"
line '10 % replaced every minute: in one component' "$(calc "100 * $(value largest_share_min)" 2) %" '99.9 %'
line '    longest wait for an exchange' "$(value exchange_gap_max_s) s" '120 s'
cut=$(whole '50% from 10min to 1450min' '50% from 10min to 130min')
run killed-10000 1 swarm.nodes=1000 faults.kill=none "faults.partition=$cut" "swarm.duration=$(whole 1481min 161min)"
line "partition into halves ($cut): healed within" "$(recovery "$(whole 87000 7800)") s" '120 s'
line '    half an hour later: links across, chance' \
    "$(calc "100 * $(value cross_share)" 1) %, $(calc "100 * $(value cross_share_expected)" 1) %" 'within 10 %'

run killed-10000 1 swarm.nodes=1000 faults.kill=none network.loss=5% "swarm.duration=$(whole 30h 2h)"
line "5 % loss: removed by mistake" "$(value false_removals) in $(calc "$(value node_hours)") node-hours" 'none in 30,000'
run killed-10000 1 swarm.nodes=1000 faults.kill=none compute.starved_share=20% compute.starved_for=lognormal:1s,0.5 \
    compute.starved_every=2s "swarm.duration=$(whole 10h 1h)"
line 'a fifth starved a third of the time: by mistake' "$(value false_removals) in $(calc "$(value node_hours)") node-hours" '1 in 10,000'

run membership-100000 1 swarm.nodes=100 swarm.arrival=1min swarm.duration=20min
small=$(value bytes_per_node_s)
line 'idle: messages, bytes a node and second, 100 nodes' "$(calc "$(value messages_per_node_s)" 1), $(calc "$small")" '5 to 7, 3,000'
run membership-100000 1 "swarm.nodes=$(whole 100000 20000)" swarm.arrival=1min swarm.duration=20min
line "    $(whole 100,000 20,000) nodes, against 100" \
    "$(calc "$(value messages_per_node_s)" 1), $(calc "$(value bytes_per_node_s)"): $(calc "$(value bytes_per_node_s) / $small" 2) times" '1.2 times'

run exchanges-10000 1 swarm.nodes=1000 swarm.round=1s swarm.duration=2min network.resets=2%
done=$(value exchanges_done)
line 'averaging with links that break: failed exchanges' \
    "$(calc "100 * $(value exchanges_failed) / ($done + $(value exchanges_failed))" 1) %" '10 %'
line '    drift of the mean, exchanges in doubt' "$(value mean_drift), $(value exchanges_doubt) of $done" 'none but for doubt'

# Hostile members: sums over seeds.
eclipsed=0 chance=0 longest=0 share=0 gap=0 runs=0
for ((seed = 1; seed <= seeds; seed++)); do
    run hostile "$seed" swarm.duration=5min
    [ -s "$out" ] || continue
    eclipsed=$(calc "$eclipsed + $(value eclipsed_rate)" 9)
    chance=$(calc "$chance + $(value eclipsed_rate_expected)" 9)
    share=$(calc "$share + $(value hostile_exchange_share) / $(value hostile_share)" 6)
    longest=$(calc "$(value eclipsed_max_s) > $longest ? $(value eclipsed_max_s) : $longest")
    gap=$(calc "$(value exchange_gap_max_s) > $gap ? $(value exchange_gap_max_s) : $gap")
    runs=$((runs + 1))
done
[ "$runs" = 0 ] && exit 1
command="grapevine sim sim/scenarios/hostile.ini --set swarm.duration=5min --seed 1 to $seeds"
line "20 % hostile, $runs seeds: views full of them, chance" "$(calc "$eclipsed / $runs" 7), $(calc "$chance / $runs" 7)" 'at most twice chance'
line '    the longest' "$longest s" '120 s'
line '    their exchanges, of their share' "$(calc "$share / $runs" 2)" 'at most 1.25'
line '    longest wait of an honest node for an exchange' "$gap s" '-'
exit "$failed"
