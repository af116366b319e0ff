#!/usr/bin/env bash
# Builds the core with each of its planted bugs (make CANARY=N) and runs campaigns against it, which must find it within
# 500 seeds and call it by its name. A campaign that finds nothing there would find nothing elsewhere.
#
#     1  a responder that loses its partner commits as if it had been told to
#     2  a revoked peer stays while an exchange with it is under way
#     3  an initiator that never heard how its exchange ended commits
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

canary() { # NUMBER INVARIANT (a pattern)
    local program=build/release-canary$1/grapevine-sim
    if ! make MODE=release CANARY="$1" "$program" >"$log" 2>&1; then
        tail -n 20 "$log"
        echo "FAIL  canary $1: it cannot be built"
        failed=1
        return
    fi
    if "$program" campaign --first 0 --seeds 500 --threads "$(nproc)" --stop-at-first >"$log" 2>&1; then
        tail -n 1 "$log"
        echo "FAIL  canary $1: 500 seeds do not find it"
        failed=1
    elif ! grep -Eq "^seed [0-9]+: $2 at" "$log"; then
        grep -E '^seed|^campaign' "$log"
        echo "FAIL  canary $1: found, but not as $2"
        failed=1
    else
        echo "ran   canary $1: $(grep -E "^seed [0-9]+: $2 at" "$log" | head -n 1)"
    fi
}

canary 1 commit-when-agreed
canary 2 "(no-revoked-peer-in-a-view|left-peer-in-no-view)" # whichever is looked at first
canary 3 commit-when-agreed
exit $failed
