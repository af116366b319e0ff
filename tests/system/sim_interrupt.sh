# Ctrl-C: the run ends at once, writes what it has, and marks it as partial; a second run may not write beside it.
. "$(dirname "$0")/lib.sh"
printf '[swarm]\nmode = mean\nnodes = 50\nduration = 100h\nround = 1s\n[report]\nevery = 10s\n' >long.ini
value() {
    sed -nE 's/^ *"'"$1"'": "?([^",]*)"?,?$/\1/p' "$2" | head -n 1
}
interrupt() { # SIGNAL
    rm -rf run
    "$GRAPEVINE" sim long.ini --seed 5 --out run --json >out 2>err </dev/null &
    PID[sim]=$!
    eventually 20 test -s run/metrics.csv
    eventually 20 sh -c '[ "$(wc -l <run/metrics.csv)" -ge 4 ]'
    [ ! -e run/summary.json ] || fail 'a summary before its end'
    bad any sim long.ini --out run
    says 'run'
    kill "-$1" "${PID[sim]}"
    ended sim 1 15
    grep -q 'interrupted' err || : # the second run has written to err
    [ "$(value partial run/summary.json)" = true ] || fail "$1: the summary is not marked as partial"
    [ "$(value violated run/summary.json)" = null ] || fail "$1: an invariant"
    [ "$(value live_nodes run/summary.json)" = 50 ] || fail "$1: live nodes"
    [ -s run/report.html ] || fail "$1: no report"
    [ "$(tail -c 1 run/metrics.csv | od -An -tx1 | tr -d ' ')" = 0a ] || fail "$1: the last line of the CSV is cut off"
}
interrupt INT
interrupt TERM
interrupt HUP
# Nothing to write to: it ends all the same.
"$GRAPEVINE" sim long.ini --seed 5 >quiet 2>quiet.err </dev/null &
PID[sim]=$!
sleep 1
kill -INT "${PID[sim]}"
ended sim 1 15
grep -q PARTIAL quiet || fail 'it does not say that this is a part'
grep -q interrupted quiet.err || fail 'it does not say why'
# A second signal, of another kind, ends it on the spot: here while it waits for a plot that never comes.
mkdir bin
printf '#!/bin/sh\necho $$ >%s/plotter\nexec sleep 30\n' "$T" >bin/gnuplot
chmod +x bin/gnuplot
PATH=$T/bin:$PATH "$GRAPEVINE" sim long.ini --seed 5 --out twice >two 2>two.err </dev/null &
PID[sim]=$!
eventually 20 test -s twice/metrics.csv
kill -INT "${PID[sim]}"
eventually 20 test -s plotter
[ -s twice/summary.json ] || fail 'plots came before the summary'
kill -TERM "${PID[sim]}"
ended sim 143 5
kill "$(cat plotter)"
# nohup: the terminal goes, the run stays.
(
    trap '' HUP
    exec "$GRAPEVINE" sim long.ini --seed 5 --out stays >/dev/null 2>&1 </dev/null
) &
PID[sim]=$!
eventually 20 test -s stays/metrics.csv
kill -HUP "${PID[sim]}"
sleep 1
[ ! -e stays/summary.json ] || fail 'a signal that was to be ignored ended the run'
kill -TERM "${PID[sim]}"
ended sim 1 15
