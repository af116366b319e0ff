#!/bin/bash
# tsan.sh: what `make check-tsan` runs: whole swarms of the daemon built with ThreadSanitizer, over loopback, and the
# simulator with several threads. Criterion itself aborts under ThreadSanitizer, so the unit tests do not run here.
set -u
cd "$(dirname "$0")/.."
reports=$PWD/build/tsan/reports
rm -rf "$reports"
mkdir -p "$reports"
export GRAPEVINE=$PWD/build/tsan/grapevine TOOLS=$PWD/build/tsan/tests/system MODE=tsan
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp log_path=$reports/race exitcode=0 history_size=4"
failed=0
for test in swarm kill signals pause update; do
    if timeout -k 10 400 bash "tests/system/$test.sh" >"$reports/$test.out" 2>&1 </dev/null; then
        echo "ran   $test"
    else
        echo "FAIL  $test"
        tail -n 30 "$reports/$test.out"
        failed=1
    fi
done
# The simulator's threads: shards, lanes and controls, with faults.
for mode in 'swarm.mode=mean' 'swarm.mode=train --set learning.model=mlp:784-16-10 --set learning.data=builtin:glyphs,train=400,test=100'; do
    cat >"$reports/sim.ini" <<'END'
[swarm]
nodes = 40
duration = 20s
[network]
latency = lognormal:30ms,0.5
damage = 0.1%
[faults]
restart = 20% at 8s
partition = 30% from 10s to 14s
END
    # shellcheck disable=SC2086
    if timeout -k 10 400 "$GRAPEVINE" sim "$reports/sim.ini" --seed 1 --threads 4 --set $mode >"$reports/sim.out" 2>&1; then
        echo "ran   sim $mode"
    else
        echo "FAIL  sim $mode"
        tail -n 30 "$reports/sim.out"
        failed=1
    fi
done
for report in "$reports"/race*; do
    [ -e "$report" ] || continue
    echo "FAIL  ${report##*/}"
    head -n 60 "$report"
    failed=1
done
[ "$failed" = 0 ] && echo 'tsan: clean'
exit "$failed"
