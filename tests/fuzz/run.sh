#!/bin/bash
# run.sh FOLDER: runs every fuzz target in FOLDER for FUZZ_SECONDS each, two at a time, from the seeds in
# tests/fuzz/corpus/<target>/ if there are any. The canary must fail: if it does not, the fuzzers find nothing.
set -u
cd "$(dirname "$0")/../.."
folder=$1
seconds=${FUZZ_SECONDS:-60}
out=build/fuzz/out
mkdir -p "$out"
export ASAN_OPTIONS=allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
failed=0
fuzz() { # NAME SECONDS
    local name=$1 corpus=$out/$1.corpus seeds=tests/fuzz/corpus/$1
    mkdir -p "$corpus"
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086
    "$folder/$name" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 -max_len=70000 -print_final_stats=1 \
        -artifact_prefix="$out/$name-" "$corpus" $seeds >"$out/$name.log" 2>&1
}
if fuzz fuzz_canary 20; then
    echo 'FAIL  fuzz_canary: it found nothing, so neither would the others'
    failed=1
else
    echo 'ran   fuzz_canary: fails as it must'
fi
names=()
for target in "$folder"/fuzz_*; do
    [ -x "$target" ] && [ ! -d "$target" ] || continue
    name=${target##*/}
    case $name in *.*) continue ;; esac
    [ "$name" = fuzz_canary ] || names+=("$name")
done
running=0
for name in "${names[@]}"; do
    if [ "$running" -ge 2 ]; then
        wait -n
        running=$((running - 1))
    fi
    (fuzz "$name" "$seconds"; echo $? >"$out/$name.status") &
    running=$((running + 1))
done
wait
for name in "${names[@]}"; do
    runs=$(sed -nE 's/^stat::number_of_executed_units: *//p' "$out/$name.log")
    if [ "$(cat "$out/$name.status" 2>/dev/null)" = 0 ]; then
        echo "ran   $name: ${runs:-?} inputs in $seconds s"
    else
        echo "FAIL  $name: see $out/$name.log and $out/$name-*"
        tail -n 25 "$out/$name.log"
        failed=1
    fi
done
[ "$failed" = 0 ] && echo 'fuzz: clean'
exit "$failed"
