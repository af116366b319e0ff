# Every scenario that ships runs: as it is but for its size and length.
SCENARIOS=$(cd "$(dirname "$0")/../../sim/scenarios" && pwd)
. "$(dirname "$0")/lib.sh"
unset GV_DATA
IMAGES=builtin:glyphs,train=240,test=60
{
    seq -s, 1 30 | sed 's/[0-9]*/f&/g; s/$/,class/'
    for ((i = 0; i < 60; i++)); do
        seq -s, "$i" $((i + 29)) | sed "s/\$/,$((i % 2))/"
    done
} >cancer.csv
count=0
for file in "$SCENARIOS"/*.ini; do
    name=${file##*/}
    settings=(--set swarm.nodes=12 --set report.every=0s)
    grep -q '^arrival' "$file" && settings+=(--set swarm.arrival=1s)
    if ! grep -qE '^mode = (mean|membership)' "$file"; then
        # Those that need real data say so.
        if grep -q 'data = .*GV_DATA' "$file"; then
            bad 3 sim "$file" --seed 1
            says 'GV_DATA'
        fi
        case $name in
        golf.ini) settings+=(--set 'learning.data=csv:cancer.csv,header,test=0.2') ;;
        *) settings+=(--set "learning.data=$IMAGES" --set learning.samples_per_node=0) ;;
        esac
    fi
    # Faults strike at their time: with a small model there is time to wait for them; else they are left out.
    if grep -qE '^mode = (mean|membership)' "$file"; then
        for fault in kill leave revoke arrive partition restart; do
            settings+=(--set "faults.$fault=none")
        done
        settings+=(--set churn.arrivals=0/min --set swarm.duration=4s)
        grep -q '^choice_from' "$file" && settings+=(--set report.choice_from=0s)
    elif grep -q '^\[faults\]' "$file"; then
        settings+=(--set learning.model=softmax:784-10 --set compute.step_time=1s)
    else
        settings+=(--set swarm.duration=4s)
    fi
    good sim "$file" "${settings[@]}" --seed 1 --json
    says '"violated": null'
    says '"scenario": "'"${name%.ini}"'"'
    nodes=$(sed -nE 's/^ *"nodes": ([0-9]+),$/\1/p' out)
    [ "$nodes" -ge 12 ] && [ "$nodes" -le 30 ] || fail "$name: $nodes nodes"
    count=$((count + 1))
done
[ "$count" -ge 15 ] || fail "only $count scenarios"
