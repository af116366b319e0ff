# lib.sh: what the simulated benchmarks share. Sourced.
#
#     run SCENARIO SEED [SETTING...]  the JSON of a run in $out, the command in $command; a failure is said, and counts
#     value KEY [OBJECT]              a figure of it; nan if there is none
#     calc EXPRESSION [DIGITS]        awk's
#     line WHAT FIGURE ASKED          nothing after a run that failed
#     $failed                         0 as long as no run has failed
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=${GRAPEVINE:-$root/build/grapevine}
out=$(mktemp "${TMPDIR:-/tmp}/gvbench.XXXXXX")
trap 'rm -f "$out" "$out.err"' EXIT
failed=0
command=

run() {
    local file=$1 seed=$2 setting
    shift 2
    command="grapevine sim sim/scenarios/$file.ini --seed $seed"
    local arguments=()
    for setting; do
        arguments+=(--set "$setting")
        command+=" --set '$setting'"
    done
    if ! "$program" sim "$root/sim/scenarios/$file.ini" --seed "$seed" "${arguments[@]}" --json >"$out" 2>"$out.err"; then
        echo "FAILED: $command: $(tail -n 1 "$out.err")"
        failed=1
        : >"$out"
    fi
}
value() {
    local found
    if [ -n "${2:-}" ]; then
        found=$(sed -n '/"'"$2"'": {/,/}/p' "$out" | sed -nE 's/^ *"'"$1"'": ([^,]*),?$/\1/p' | head -n 1)
    else
        found=$(sed -nE 's/^ *"'"$1"'": "?([^",]*)"?,?$/\1/p' "$out" | head -n 1)
    fi
    [ -n "$found" ] && [ "$found" != null ] && echo "$found" || echo nan
}
calc() {
    awk "BEGIN { printf \"%.${2:-0}f\", ($1) }" 2>/dev/null || echo '?'
}
line() {
    [ -s "$out" ] || return 0
    printf '%-52s %-34s asked: %s\n    %s\n' "$1" "$2" "$3" "$command"
}
