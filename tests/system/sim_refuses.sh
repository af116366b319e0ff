#!/bin/bash
# Bad input to the simulator: every message says what, where, what was expected and what to do, before anything starts.
. "$(dirname "$0")/lib.sh"
unset GV_DATA

cat >"$T/good.ini" <<'EOF'
[swarm]
nodes = 10
duration = 2s
mode = membership
EOF

refuse() { # CODE PATTERN TEXT...: a scenario of these lines
    local want=$1 pattern=$2
    shift 2
    printf '%s\n' "$@" >"$T/bad.ini"
    bad "$want" sim "$T/bad.ini" --out "$T/never"
    says "$pattern"
    says 'bad.ini:'
    [ ! -e "$T/never" ] || fail "a refused scenario left a folder behind"
}

bad 2 sim
says 'a scenario is missing'
bad 2 sim "$T/good.ini" --sedd 5
says 'did you mean --seed'
bad 2 sim "$T/good.ini" --set nodes=5
says 'section.key=value'
bad 2 sim compare "$T"
says '2 to 16'
bad 3 sim "$T/absent.ini"
says 'absent.ini: No such file'
bad 3 sim "$T"
says 'directory'

refuse 3 'bad.ini:2: .*did you mean "nodes"' '[swarm]' 'nodse = 10'
refuse 3 'bad.ini:1: .*did you mean \[swarm\]' '[swam]' 'nodes = 10'
refuse 3 'bad.ini:2: .*has no unit' '[network]' 'latency = 50'
refuse 3 'bad.ini:2: .*after the end' '[faults]' 'kill = 50% at 20min'
refuse 3 'bad.ini:4: .*no meaning with swarm.mode = mean' '[swarm]' 'mode = mean' '[learning]' 'model = softmax:784-10'
refuse 3 'the environment has no GV_DATA' '[learning]' 'data = csv:$GV_DATA/a.csv'
refuse 3 'no such file or folder' '[learning]' 'data = csv:/absent/a.csv'
refuse 3 'need about .* GB of memory, and .* GB are available' '[swarm]' 'nodes = 1000000' '[learning]' \
    'model = mlp:784-1024-1024-10'

# An output folder that cannot be had.
bad 3 sim "$T/good.ini" --out /proc/nowhere
says '/proc/nowhere'
mkdir "$T/mine" && echo precious >"$T/mine/thesis.txt"
bad 3 sim "$T/good.ini" --out "$T/mine"
says 'thesis.txt'
[ "$(cat "$T/mine/thesis.txt")" = precious ] || fail "a file of the user's was touched"

# The simulator is a program of its own, which may be missing.
cp "$GRAPEVINE" "$T/lonely"
timeout 10 "$T/lonely" sim "$T/good.ini" >"$T/out" 2>"$T/err"
[ $? = 1 ] || fail "expected status 1 without the simulator"
says 'grapevine-sim: No such file'

good sim --keys
says '^\[network\]'
