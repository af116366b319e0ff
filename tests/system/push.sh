# Two nodes of a swarm whose exchanges are pushes: one-way, in one piece and in chunks; then pairs by a newer manifest.
. "$(dirname "$0")/lib.sh"
older_than() { # DIR AGE
    holds "$1" age -gt "$2"
}
for MODEL in softmax:784-10 mlp:784-128-10; do
    a=a-${MODEL%%:*} b=b-${MODEL%%:*}
    swarm "$a" --set exchange=push
    start "$a"
    member "$(token "$a")" "$b"
    grep -q '^exchange = push$' "$b/manifest" || fail 'the joiner knows nothing of pushes'
    for node in "$a" "$b"; do
        eventually 20 holds "$node" exchanges_done -ge 3
    done
    # A paused node begins no exchange and makes no step: its age moves by what the other pushes.
    good pause "$a"
    sleep 1
    age=$(field "$a" age) age=${age%%.*}
    steps=$(field "$a" steps)
    exchanges_on "$a" 15
    eventually 20 older_than "$a" "$age"
    holds "$a" steps -eq "$steps" || fail 'a paused node has trained'
    good resume "$a"
    good update "$a" --set exchange=pair
    eventually 10 holds "$b" manifest_version -eq 2
    exchanges_on "$a" 20
    exchanges_on "$b" 20
    for node in "$a" "$b"; do
        holds "$node" exchanges_failed -le 2 || fail "$(field "$node" exchanges_failed) exchanges failed"
        stop "$node"
    done
done
