#!/bin/bash
# fashion.sh DATA [PARTITION]: eight real nodes on shards of DATA (idx:DIR), against one model trained centrally with as
# many samples in all, and against each shard alone: 20 epochs' worth, batch 32, H = 16, a rate that decays to zero.
# Prints the accuracy on the test part of every node's served model. RATE is the swarm's, RATE_ALONE that of the models
# trained by themselves: averaging tolerates, and wants, a higher one.
set -eu
data=$1
partition=${2:-iid}
nodes=${NODES:-8}
total=${TOTAL:-37500} # 20 * 60000 / 32
age=$((total / nodes))
program=${GRAPEVINE:-$(cd "$(dirname "$0")/../.." && pwd)/build/grapevine}
folder=$(mktemp -d "${TMPDIR:-/tmp}/gvfashion.XXXXXX")
pids=()
cleanup() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
    [ -n "${KEEP:-}" ] && echo "kept: $folder" || rm -rf "$folder"
}
trap cleanup EXIT
export OPENBLAS_NUM_THREADS=1
# shellcheck disable=SC2086
settings=(--set schedule=linear --set momentum=0.9 --set local_steps=16 --set settle=3 --set seed=1 ${EXTRA:-})
first=$((20000 + RANDOM % 10000))
accuracy() { # DIR [--raw]
    "$program" eval "$@" --data "$data" --json | sed -nE 's/.*"accuracy": *([0-9.]+).*/\1/p'
}
single() { # NAME SHARD STEPS
    "$program" create "$folder/$1" --name "$1" --model mlp:784-128-10 --data "$data" --listen "tcp://127.0.0.1:$first" \
        --shard "$2" --partition "$partition" "${settings[@]}" --set "rate=${RATE_ALONE:-0.02}" --set "total_age=$3" 2>/dev/null
    "$program" run "$folder/$1" --steps "$3" 2>/dev/null || [ $? = 6 ]
    echo "$1: $(accuracy "$folder/$1" --raw)"
}
if [ -z "${SWARM_ONLY:-}" ]; then
    single central 1/1 "$total"
    for ((i = 1; i <= nodes; i++)); do
        single "alone$i" "$i/$nodes" "$age"
    done
fi
"$program" create "$folder/n1" --name fashion --model mlp:784-128-10 --data "$data" --listen "tcp://127.0.0.1:$first" \
    --shard "1/$nodes" --partition "$partition" "${settings[@]}" --set "rate=${RATE:-0.05}" --set "total_age=$age" 2>/dev/null
# A node uses little of a processor, so that the first has not done everything before the last is there.
slowly() {
    sed -i -E '/^#?cpu *=/d' "$1/config.ini"
    echo "cpu = ${CPU:-10%}" >>"$1/config.ini"
}
slowly "$folder/n1"
"$program" run "$folder/n1" --until-age "$age" 2>"$folder/n1.log" &
pids+=($!)
until "$program" pause "$folder/n1" 2>/dev/null; do
    sleep 0.02
done
token=$("$program" invite "$folder/n1" --uses "$nodes" 2>/dev/null)
for ((i = 2; i <= nodes; i++)); do
    "$program" join "$token" "$folder/n$i" --data "$data" --listen "tcp://127.0.0.1:$((first + i))" \
        --shard "$i/$nodes" --partition "$partition" 2>/dev/null
    slowly "$folder/n$i"
done
for ((i = 2; i <= nodes; i++)); do
    "$program" run "$folder/n$i" --until-age "$age" 2>"$folder/n$i.log" &
    pids+=($!)
done
"$program" resume "$folder/n1" 2>/dev/null
start=$SECONDS
for pid in "${pids[@]}"; do
    wait "$pid" || echo "a node ended with status $?"
done
pids=()
echo "swarm: $((SECONDS - start)) s"
for ((i = 1; i <= nodes; i++)); do
    echo "node $i: $(accuracy "$folder/n$i") (after its last local step $(accuracy "$folder/n$i" --raw))"
done
