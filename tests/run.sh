#!/bin/bash
# run.sh REPORTS TEST...: runs Criterion programs and system scripts, names what failed or was skipped, and ends with
# the line "N passed, N failed, N skipped". Exits 1 if anything failed.
#
# A program that is not there did not build: one failure. A program that crashes is a failure. Under AddressSanitizer a
# leaking Criterion test still exits 0, so the sanitizer writes its reports to files, and a file is a failure.
set -u
reports=$1
shift
rm -rf "$reports"
mkdir -p "$reports"
export ASAN_OPTIONS="log_path=$reports/sanitizer:detect_leaks=1:abort_on_error=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$reports/sanitizer:${UBSAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/tests/lsan.supp:print_suppressions=0"
export OPENBLAS_NUM_THREADS=1
# One system test may take this long; each also ends what it started.
limit=${TEST_SECONDS:-120}
[ "${MODE:-release}" = release ] || limit=$((limit * 3))

passed=0 failed=0 skipped=0
fail() { # NAME WHY
    failed=$((failed + 1))
    echo "FAIL  $1: $2"
}

run_program() { # PROGRAM
    local name=${1##*/} tap out status ok bad skip
    tap=$reports/$name.tap out=$reports/$name.out
    if [ ! -x "$1" ]; then
        fail "$name" 'it did not build'
        return
    fi
    timeout -k 5 600 "$1" --tap="$tap" --timeout 300 >"$out" 2>&1
    status=$?
    ok=$(grep -c '^ok ' "$tap" 2>/dev/null)
    skip=$(grep -c '^ok .*# SKIP' "$tap" 2>/dev/null)
    bad=$(grep -c '^not ok ' "$tap" 2>/dev/null)
    passed=$((passed + ${ok:-0} - ${skip:-0}))
    skipped=$((skipped + ${skip:-0}))
    grep '^ok .*# SKIP' "$tap" 2>/dev/null | sed "s/^ok - /SKIP  $name: /"
    if [ "${bad:-0}" -gt 0 ]; then
        failed=$((failed + bad))
        grep '^not ok ' "$tap" | sed "s/^not ok - /FAIL  $name: /"
        tail -n 40 "$out"
    elif [ "$status" != 0 ]; then
        fail "$name" "it ended with status $status"
        tail -n 40 "$out"
    elif [ "${ok:-0}" = 0 ]; then
        fail "$name" 'it ran no test'
    fi
    printf '%-5s %-28s %4d\n' ran "$name" "$((${ok:-0} - ${skip:-0}))"
}

report_script() { # NAME
    local name=$1 status
    status=$(cat "$reports/$name.status" 2>/dev/null || echo 'none')
    case $status in
    0) passed=$((passed + 1)) ;;
    77)
        skipped=$((skipped + 1))
        echo "SKIP  $name: $(tail -n 1 "$reports/$name.out")"
        ;;
    124 | 137)
        fail "$name" "it took longer than $limit s"
        tail -n 40 "$reports/$name.out"
        ;;
    *)
        fail "$name" "status $status"
        tail -n 60 "$reports/$name.out"
        ;;
    esac
    [ "$status" != 0 ] || printf '%-5s %-28s %4s s\n' ran "$name" "$(cat "$reports/$name.seconds")"
}

run_script() { # SCRIPT
    local name=${1##*/} start=$SECONDS
    timeout -k 10 "$limit" bash "$1" >"$reports/$name.out" 2>&1 </dev/null
    echo $? >"$reports/$name.status"
    echo $((SECONDS - start)) >"$reports/$name.seconds"
}

scripts=()
for test; do
    case $test in
    *.sh) scripts+=("$test") ;;
    *) run_program "$test" ;;
    esac
done

# System tests mostly wait for daemons: a few at a time, each on ports of its own.
at_once=${TEST_JOBS:-3}
running=0
for script in "${scripts[@]+"${scripts[@]}"}"; do
    if [ "$running" -ge "$at_once" ]; then
        wait -n
        running=$((running - 1))
    fi
    run_script "$script" &
    running=$((running + 1))
done
wait
for script in "${scripts[@]+"${scripts[@]}"}"; do
    report_script "${script##*/}"
done

for report in "$reports"/sanitizer*; do
    [ -e "$report" ] || continue
    fail "${report##*/}" 'the sanitizer reported'
    head -n 40 "$report"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
