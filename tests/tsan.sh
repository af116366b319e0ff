#!/bin/bash
# tsan.sh: what `make check-tsan` runs: whole swarms of the daemon built with ThreadSanitizer, over loopback. Criterion
# itself aborts under ThreadSanitizer, so the unit tests do not run here.
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
for report in "$reports"/race*; do
    [ -e "$report" ] || continue
    echo "FAIL  ${report##*/}"
    head -n 60 "$report"
    failed=1
done
[ "$failed" = 0 ] && echo 'tsan: clean'
exit "$failed"
