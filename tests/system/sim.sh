# The simulator from the command line: results, files, repeating a run, laying runs over one another.
. "$(dirname "$0")/lib.sh"
cat >mean.ini <<'END'
# A small swarm that averages.
[swarm]
nodes = 30
mode = mean
duration = 10s
round = 1s
[network]
latency = lognormal:20ms,0.3
[report]
every = 1s
END
value() { # KEY: of the JSON in out
    sed -nE 's/^ *"'"$1"'": "?([^",]*)"?,?$/\1/p' "${2:-out}" | head -n 1
}

# For a person: a dozen lines; the line that repeats the run goes to standard error, and gives the same run.
good sim mean.ini
grep -q '^mean: mean, seed [0-9]' out || fail 'it does not say what it ran'
says 'trace hash +[0-9a-f]{16}$'
says 'memoised'
hash=$(sed -nE 's/^ *trace hash +//p' out)
replay=$(sed -n 's/^replay: grapevine sim //p' err)
[ -n "$replay" ] || fail 'no line that repeats the run'
eval "good sim $replay --json --threads 1"
[ "$(value trace_hash)" = "$hash" ] || fail "the replay has $(value trace_hash), not $hash"
eval "good sim $replay --json --threads 4"
[ "$(value trace_hash)" = "$hash" ] || fail "four threads have $(value trace_hash), not $hash"
[ "$(value threads)" = 4 ] || fail 'it did not take the number of threads'
# What was set stands in the line, quoted for the shell.
good sim mean.ini --set swarm.nodes=20 --set 'network.latency=uniform:5ms, 9ms' --seed 7
says "^replay: grapevine sim mean.ini --set swarm.nodes=20 --set 'network.latency=uniform:5ms, 9ms' --seed 7\$"
good sim mean.ini --seed 7 --json
seven=$(value trace_hash)
good sim mean.ini --seed 8 --json
[ "$(value trace_hash)" != "$seven" ] || fail 'two seeds, one run'

# What scripts rely on, in its order, first.
promised='nodes virtual_s wall_s events exchanges_done exchanges_failed bytes_per_node accuracy_mean accuracy_min
accuracy_of_mean_model consensus_distance components live_nodes invariants_checked peak_rss_bytes threads seed trace_hash'
# shellcheck disable=SC2086
[ "$(sed -nE 's/^ *"([a-z_0-9]+)":.*/\1/p' out | head -n 18 | tr '\n' ' ')" = "$(echo $promised) " ] || fail 'other fields'
[ "$(value nodes)" = 30 ] && [ "$(value live_nodes)" = 30 ] && [ "$(value seed)" = 8 ] || fail 'wrong numbers'
[ "$(value accuracy_mean)" = null ] || fail 'averaging has no accuracy'
[ "$(value violated)" = null ] && [ "$(value partial)" = false ] || fail 'it was not whole'
[ "$(value invariants_checked)" -gt 1000 ] || fail 'invariants were not checked'
[ "$(value exchanges_done)" -gt 100 ] || fail 'no exchanges'

# --out: four files; a run into the same folder replaces them.
good sim mean.ini --seed 8 --out runs/one --json
for file in summary.json metrics.csv report.html scenario.ini; do
    [ -s "runs/one/$file" ] || fail "no $file"
done
diff <(grep -v -e wall_s -e per_s -e rss -e share out) <(grep -v -e wall_s -e per_s -e rss -e share runs/one/summary.json) ||
    fail 'summary.json is not what --json says'
head -n 1 runs/one/metrics.csv | grep -q '^virtual_s,' || fail 'the CSV has no header'
[ "$(wc -l <runs/one/metrics.csv)" -ge 11 ] || fail 'the CSV lacks samples'
good sim runs/one/scenario.ini --seed 8 --json
[ "$(value trace_hash)" = "$(value trace_hash runs/one/summary.json)" ] || fail 'scenario.ini is another scenario'
good sim mean.ini --seed 9 --out runs/one
[ "$(value seed runs/one/summary.json)" = 9 ] || fail 'the second run left the first one there'
good sim mean.ini --seed 10 --out runs/two --set network.loss=5%

# compare.
good sim compare runs/one runs/two --out both
[ -s both/report.html ] || fail 'no report'
[ "$(cat out)" = both/report.html ] || fail 'it does not say where the report is'
grep -q 'network.loss\|loss' both/report.html || fail 'the setting that differs is not there'
bad 2 sim compare runs/one
bad any sim compare runs/one runs/three
says 'runs/three'

good sim --keys
for key in swarm nodes duration partition straggler_share outbound_only flapping torn_state; do
    grep -q "$key" out || fail "--keys lacks $key"
done
