# A flood of junk connections against one node of a running swarm: bytes that are no ZeroMQ, half-open connections,
# handshakes for another key, whole handshakes with nothing behind them or with garbage. Its links go on exchanging at
# a good part of their rate, its memory and descriptors stay bounded, and afterwards all is as before.
#
# `make check-flood` is the same at full length and force. FLOOD_SECONDS (of each of the floods), FLOOD_RATE (connections
# a second), FLOOD_SHARE (of the exchange rate that must be left, %) and SOURCES change it. SOURCES are how many addresses
# each flood comes from; 0 is the node's own machine.
. "$(dirname "$0")/lib.sh"
seconds=${FLOOD_SECONDS:-3} rate=${FLOOD_RATE:-$((1000 / slow))}
share=${FLOOD_SHARE:-20} # other tests run beside this one
quiet=$((seconds < 20 ? 5 : 15)) # how long "before" and "after" are
swarm a
start a
invite=$(token a)
for node in b c d; do
    member "$invite" "$node"
done
for node in a b c d; do
    eventually 20 holds "$node" peers_active -ge 3
    eventually 15 holds "$node" exchanges_done -ge 3
done

descriptors() {
    local all=("/proc/${PID[a]}/fd"/*)
    echo "${#all[@]}"
}
resident() { # kB
    sed -nE 's/^VmRSS:\s*([0-9]+) kB/\1/p' "/proc/${PID[a]}/status"
}
ticks() { # of processor time, hundredths of a second
    awk '{ print $14 + $15 }' "/proc/${PID[a]}/stat"
}
# phase NAME SECONDS: exchanges a second, and the largest memory and number of descriptors seen.
phase() {
    local start now count
    start=$(date +%s%N) count=$(field a exchanges_done) used=$(ticks)
    memory=0 files=0
    while now=$(date +%s%N) && [ $((now - start)) -lt $(($2 * 1000000000)) ]; do
        sleep 0.25
        [ "$(resident)" -gt "$memory" ] && memory=$(resident)
        [ "$(descriptors)" -gt "$files" ] && files=$(descriptors)
    done
    count=$(($(field a exchanges_done) - count)) used=$(($(ticks) - used)) now=$(date +%s%N)
    exchanges=$((count * 100000000000 / (now - start))) # hundredths
    printf '%-8s %6d.%02d exchanges/s %9d kB %6d descriptors %4d %% of a processor\n' "$1" $((exchanges / 100)) \
        $((exchanges % 100)) "$memory" "$files" $((used * 1000000000 / (now - start)))
}

sleep $((quiet / 2))
phase before "$quiet"
before=$exchanges memory_before=$memory files_before=$files
lowest=$before
for sources in ${SOURCES:-0 1 5000}; do
    case $sources in
    0) echo "--- $seconds s, $rate connections a second from 127.0.0.1" ;;
    *) echo "--- $seconds s, $rate connections a second from $sources other address$([ "$sources" = 1 ] || echo es)" ;;
    esac
    timeout $((seconds + 30)) "$TOOLS/flood" "$invite" "$seconds" "$rate" "$sources" >flood.out 2>"$T/err" &
    flood=$!
    phase during "$seconds"
    wait "$flood" || fail "the flood ended with status $?: $(tail -n 1 "$T/err")"
    cat flood.out
    [ "$exchanges" -lt "$lowest" ] && lowest=$exchanges
    alive a || fail 'the node is gone'
    [ "$slow" -gt 1 ] || [ "$memory" -le $((memory_before + 32768)) ] || fail "memory grew from $memory_before to $memory kB"
    [ "$files" -le $((files_before + 400)) ] || fail "from $files_before to $files descriptors"
done
sleep 6 # what was half-open may stay for five seconds
phase after "$quiet"
normal=$(((before + exchanges) / 2)) # the machine may have other things to do, now more and now less
left=$((100 * lowest / normal))
echo "the exchange rate never fell below $left % of what it was before and after"
[ "$left" -ge "$share" ] || fail "less than $share % of the exchanges while it lasted"
[ $((100 * exchanges)) -ge $((share * before)) ] || fail "less than $share % of the exchanges afterwards"
[ "$files" -le $((files_before + 16)) ] || fail "$files descriptors afterwards, $files_before before"
for node in a b c d; do # each says what is wrong
    good status "$node" --check
done
member "$invite" e
eventually 15 holds e exchanges_done -ge 1
