#!/bin/bash
# netns.sh: eight real daemons, each on a host of its own (a network namespace), with a bad network between them, and
# beside each figure what the simulator says of the same scenario. `make check-netns` runs it.
#
#     clean    10 ms one way            delay    200 ms one way
#     loss     10 ms, 5 % of packets    rate     10 ms, 1 Mbit/s up and down
#     cut      10 ms; two halves that do not reach each other for 60 s
#
# In the first four a process is killed (its kernel says so to its peers), and later a host vanishes (nobody says so).
# Exits 1 if a swarm does not form, does not exchange, does not notice, or does not heal; 77 where this cannot run. What
# the simulator says is printed, not judged.
#
# The network is two bridges with the kernel's emulator (tc netem) on every line, or, where the kernel has no such
# thing, a process that does the same (hub.c). NETWORK=netem or hub chooses.
#
#     CONDITIONS  "clean delay loss rate cut"   SETTLE 15, WINDOW 45, AFTER 25   lengths of the phases, s
. "$(dirname "$0")/../system/lib.sh"
conditions=${CONDITIONS:-clean delay loss rate cut}
settle=${SETTLE:-15} window=${WINDOW:-45} after=${AFTER:-25} cut_s=60 between=10
hosts=8 wrong=0
data=builtin:glyphs,train=800,test=100
tag=gvn$$
declare -A line=([delay]=0 [loss]=0 [rate]=0) # as netem has them

[ "$(id -u)" = 0 ] || skip 'check-netns needs root, to make network namespaces: skipped'
for program in ip tc setpriv; do
    command -v "$program" >/dev/null || skip "check-netns needs $program (Debian: iproute2, util-linux): skipped"
done

cleanup() {
    local pid name
    exec 7>&- 8>&-
    for pid in "${PID[@]}" ${hub_pid:-} ${watch_pid:-}; do
        disown "$pid" 2>/dev/null
        kill -9 "$pid" 2>/dev/null
    done
    for name in $(ip netns list | awk '{ print $1 }'); do
        # Those of a run that was killed go too.
        [[ $name =~ ^gvn([0-9]+)h[0-9]+$ ]] || continue
        [ "${BASH_REMATCH[1]}" = $$ ] || ! kill -0 "${BASH_REMATCH[1]}" 2>/dev/null || continue
        ip netns del "$name" 2>/dev/null
    done
    cd / || true
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $T"
    else
        rm -rf "$T"
    fi
}
complain() {
    wrong=1
    echo "FAILED: $*"
}
host() { # NUMBER
    echo "${tag}h$1"
}
# Whoever starts a node takes it along when it dies.
launch() { # DIR [ARGS...]
    local dir=$1
    shift
    setpriv --pdeathsig KILL -- ip netns exec "$(host "${dir#n}")" "$GRAPEVINE" run "$dir" "$@" >>"$T/$dir.log" 2>&1 \
        </dev/null 7>&- 8>&- &
    PID[$dir]=$!
}
on() { # NUMBER ARGS...: the program on that host
    local number=$1
    shift
    timeout 60 ip netns exec "$(host "$number")" "$GRAPEVINE" "$@" >"$T/out" 2>"$T/err" </dev/null ||
        fail "grapevine $1 on host $number: $(tail -n 1 "$T/err")"
}
now() {
    date +%s.%3N
}
# A sleep that a signal to this script ends at once.
nap() { # SECONDS
    setpriv --pdeathsig KILL -- sleep "$1" 7>&- 8>&- &
    nap_pid=$!
    wait "$nap_pid"
}
# network COMMAND...: each as hub.c takes it.
network() {
    if [ "$emulator" = hub ]; then
        printf '%s\n' "$@" >&7
        return
    fi
    local command word value i
    for command; do
        read -r word value <<<"$command"
        case $word in
        delay | loss | rate) line[$word]=$value ;;
        cut) ip -n "$switch" link set across0 "$([ "$value" = 0 ] && echo up || echo down)" ;;
        on) ip -n "$switch" link set "p$value" up ;;
        off) ip -n "$switch" link set "p$value" down ;;
        esac
    done
    for ((i = 1; i <= hosts; i++)); do
        shape "$(host "$i")" gv0 delay "${line[delay]}ms" loss "$(awk -v l="${line[loss]}" 'BEGIN { print 100 * l }')%"
        shape "$switch" "p$i"
    done
}
# shape NAMESPACE DEVICE NETEM-ARGS...: what leaves this device. A queue holds a second's worth.
shape() {
    local where=$1 device=$2 limit=100000 rate=()
    shift 2
    [ "${line[rate]}" = 0 ] || { rate=(rate "${line[rate]}kbit") && limit=$((line[rate] / 12)); }
    tc -n "$where" qdisc replace dev "$device" root netem "$@" "${rate[@]}" limit "$limit" || fail "tc on $device"
}

# ---- hosts and a swarm ---------------------------------------------------------------------------------------------

# Two bridges in a namespace of their own, the first half of the hosts on one, the others on the other.
make_bridges() {
    local i
    switch=$(host 0)
    ip -n "$switch" link add across0 type veth peer name across1
    for i in 0 1; do
        ip -n "$switch" link add "bridge$i" type bridge
        ip -n "$switch" link set "across$i" master "bridge$i"
        ip -n "$switch" link set "across$i" up
        ip -n "$switch" link set "bridge$i" up
    done
    for ((i = 1; i <= hosts; i++)); do
        ip -n "$switch" link add "p$i" type veth peer name gv0 netns "$(host "$i")"
        ip -n "$switch" link set "p$i" master "bridge$((i > hosts / 2))" up
    done
}
start_hub() {
    local i names=()
    for ((i = 1; i <= hosts; i++)); do
        names+=("$(host "$i")")
    done
    mkfifo to_hub
    setpriv --pdeathsig KILL -- "$TOOLS/hub" "${names[@]}" <to_hub >hub.out 2>hub.log &
    hub_pid=$!
    exec 7>to_hub
    for ((i = 0; i < 50; i++)); do
        grep -q ready hub.out && return
        kill -0 "$hub_pid" 2>/dev/null || skip "check-netns cannot make TUN devices ($(tail -n 1 hub.log)): skipped"
        sleep 0.1
    done
    fail 'the hub does not start'
}
make_hosts() {
    local i
    for ((i = 0; i <= hosts; i++)); do
        ip netns add "$(host "$i")" 2>"$T/err" || skip "check-netns cannot make a network namespace ($(cat "$T/err")): skipped"
        ip -n "$(host "$i")" link set lo up
    done
    emulator=${NETWORK:-}
    if [ -z "$emulator" ]; then
        emulator=hub
        tc -n "$(host 0)" qdisc add dev lo root netem delay 1ms 2>/dev/null && emulator=netem
    fi
    case $emulator in
    netem) make_bridges ;;
    hub) start_hub ;;
    *) fail "NETWORK=$emulator: expected netem or hub" ;;
    esac
    for ((i = 1; i <= hosts; i++)); do
        ip -n "$(host "$i")" addr add "10.77.0.$i/24" dev gv0 || fail "no address for host $i"
        ip -n "$(host "$i")" link set gv0 up
        # What RFC 5681 says, which every kernel has and the simulator knows; kernels differ in their default.
        ip netns exec "$(host "$i")" sh -c 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control' ||
            fail "no congestion control by RFC 5681 on host $i"
    done
}
configure() { # DIR
    sed -i -E '/^(cpu|checkpoint|evaluate)[ =]/d' "$1/config.ini"
    printf 'cpu = 5%%\ncheckpoint = 1h\nevaluate = 1h\n' >>"$1/config.ini"
}
# An exchange every two seconds, whatever this machine trains in that time.
calibrate() { # sets local_steps
    local before
    on 1 create n1 --name calibration --model "$MODEL" --data "$data" --listen tcp://10.77.0.1:7400 --shard "1/$hosts"
    configure n1
    start n1
    sleep 1
    before=$(field n1 steps)
    sleep 3
    local_steps=$((($(field n1 steps) - before) * 2 / 3))
    [ "$local_steps" -ge 16 ] || local_steps=16
    stop n1
    rm -rf n1
}
found() {
    local i token
    on 1 create n1 --name netns --model "$MODEL" --data "$data" --listen tcp://10.77.0.1:7400 --shard "1/$hosts" \
        --set "local_steps=$local_steps" --set seed=1
    configure n1
    start n1
    good pause n1 # all begin with the initial model, as the simulated do
    token=$("$GRAPEVINE" invite n1 --uses "$hosts" 2>/dev/null)
    for ((i = 2; i <= hosts; i++)); do
        on "$i" join "$token" "n$i" --data "$data" --listen "tcp://10.77.0.$i:7400" --shard "$i/$hosts"
        configure "n$i"
    done
    stop n1
    mkdir fresh
    cp -a n? fresh/
}

# ---- a run with real processes ---------------------------------------------------------------------------------------

begin() {
    local i
    rm -rf n?
    cp -a fresh/n? .
    mkfifo to_watch
    setpriv --pdeathsig KILL -- "$TOOLS/watch" 100 n? <to_watch >"$1.csv" 7>&- &
    watch_pid=$!
    exec 8>to_watch
    started=$(now)
    for ((i = 1; i <= hosts; i++)); do
        launch "n$i"
    done
}
finish() {
    local dir
    exec 8>&-
    wait "$watch_pid"
    watch_pid=
    rm -f to_watch
    for dir in "${!PID[@]}"; do
        murder "$dir"
    done
    sleep 1 # their last packets
}
# Killed: the kernel tells its peers. Vanished: nothing gets out any more. Sets killed and vanished, s after the start.
real() { # CONDITION COMMAND...
    local name=$1
    shift
    network 'cut 0' "$@"
    begin "$name"
    nap $((settle + window))
    killed=$(now)
    murder "n$hosts"
    nap "$between"
    vanished=$(now)
    network "off $((hosts - 1))"
    touch "n$((hosts - 1))/gone"
    murder "n$((hosts - 1))"
    nap "$after"
    finish
    network "on $((hosts - 1))"
}
real_cut() {
    network 'delay 10' 'loss 0' 'rate 0'
    begin cut
    nap "$settle"
    severed=$(now)
    network "cut $((hosts / 2))"
    nap "$cut_s"
    healed=$(now)
    network 'cut 0'
    nap $((2 * after))
    finish
}

# ---- the same, simulated -------------------------------------------------------------------------------------------

simulate() { # CONDITION STEP-TIME-US SETTING...
    local name=$1 step=$2 setting settings=()
    shift 2
    for setting; do
        settings+=(--set "$setting")
    done
    cat >"$name.ini" <<END
[swarm]
nodes = $hosts
seeds = 1
[learning]
model = $MODEL
data = $data
local_steps = $local_steps
evaluate_nodes = 1
evaluate_samples = 10
[network]
initial_window = 10
[compute]
step_time = ${step}us
[report]
every = 100ms
END
    "$GRAPEVINE" sim "$name.ini" "${settings[@]}" --seed 1 --out "sim-$name" >"$T/out" 2>"$T/err" ||
        fail "grapevine sim: $(tail -n 1 "$T/err")"
}

# ---- figures -------------------------------------------------------------------------------------------------------

# figures FILE START KILL VANISH FACTOR: what a run came to, times in s since START; - for what did not happen. FACTOR:
# at how many ends a failed exchange counts.
figures() {
    awk -F, -v start="$2" -v kill="$3" -v vanish="$4" -v factor="$5" -v from="$settle" -v to=$((settle + window)) -v n="$hosts" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; clock = ("virtual_s" in column) ? column["virtual_s"] : column["wall_s"]; next }
        { t = $clock - start; peers = $column["peers_active_mean"]; done = $column["exchanges_done"]; live = $column["live_nodes"]
          stale = ("stale" in column) ? $column["stale"] : (peers > live - 0.99) }
        one == "" && live == n && $column["components"] == 1 { one = t }
        first == "" && done >= 1 { first = t }
        all == "" && done >= n { all = t }
        t <= from { done0 = done; failed0 = $column["exchanges_failed"]; steps0 = $column["steps_mean"]; t0 = t }
        t <= to { done1 = done; failed1 = $column["exchanges_failed"]; steps1 = $column["steps_mean"]; t1 = t }
        noticed == "" && t > kill && t < vanish && live == n - 1 && !stale { noticed = t - kill }
        missed == "" && t > vanish && live == n - 2 && !stale { missed = t - vanish }
        function shown(x, form) { return x == "" ? "-" : sprintf(form, x) }
        END {
            d = done1 - done0; f = (failed1 - failed0) / factor; span = t1 - t0 > 0 ? t1 - t0 : 1
            printf "%s %s %s %.1f %.1f %s %s %.0f\n", shown(one, "%.1f"), shown(first, "%.1f"), shown(all, "%.1f"),
                2 * d / n / span * 60, (d + f > 0) ? 100 * f / (d + f) : 0, shown(noticed, "%.1f"), shown(missed, "%.1f"),
                (steps1 > steps0) ? 1e6 * span / (steps1 - steps0) : 1000
        }' "$1"
}
# healing FILE START CUT HEAL: until two components and no neighbour across; until one again.
healing() {
    awk -F, -v start="$2" -v cut="$3" -v heal="$4" '
        NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; clock = ("virtual_s" in column) ? column["virtual_s"] : column["wall_s"]; next }
        { t = $clock - start; parts = $column["components"] }
        two == "" && t > cut && t < heal && parts == 2 { two = t - cut }
        one == "" && t >= heal && two != "" && parts == 1 { one = t - heal }
        END { printf "%s %s\n", two == "" ? "-" : sprintf("%.1f", two), one == "" ? "-" : sprintf("%.1f", one) }' "$1"
}
since_start() { # TIME
    awk -v a="$1" -v b="$started" 'BEGIN { printf "%.3f", a - b }'
}
row() { # CONDITION WHO FIGURES...
    printf '%-7s %-9s %10s %10s %10s %12s %9s %9s %9s\n' "$@"
}
scenario() { # CONDITION DELAY-MS LOSS KBIT
    local name=$1 figures kill_s=$((settle + window)) vanish_s=$((settle + window + between)) settings
    real "$name" "delay $2" "loss $3" "rate $4"
    read -r -a figures < <(figures "$name.csv" "$started" "$(since_start "$killed")" "$(since_start "$vanished")" 2)
    row "$name" real "${figures[@]:0:7}"
    [[ ${figures[*]:0:7} != *-* ]] || complain "$name: what is marked - did not happen"
    [ "${figures[3]%.*}" -ge 1 ] || complain "$name: fewer than one exchange a minute"
    settings=("network.latency=${2}ms" "network.loss=$3" "faults.kill=1 at ${kill_s}s" "faults.vanish=1 at ${vanish_s}s"
        "swarm.duration=$((vanish_s + after))s")
    [ "$4" = 0 ] || settings+=("network.bandwidth=${4}kbit")
    simulate "$name" "${figures[7]}" "${settings[@]}"
    read -r -a figures < <(figures "sim-$name/metrics.csv" 0 "$kill_s" "$vanish_s" 1)
    row '' simulated "${figures[@]:0:7}"
}
scenario_cut() {
    local healing
    real_cut
    read -r -a healing < <(healing cut.csv "$started" "$(since_start "$severed")" "$(since_start "$healed")")
    echo "cut     real      two components after ${healing[0]} s, one ${healing[1]} s after the healing"
    [[ ${healing[*]} != *-* ]] || complain 'cut: what is marked - did not happen'
    read -r -a step < <(figures cut.csv "$started" 999 999 2)
    simulate cut "${step[7]}" network.latency=10ms "faults.partition=$((hosts / 2)) from ${settle}s to $((settle + cut_s))s" \
        "swarm.duration=$((settle + cut_s + 2 * after))s"
    read -r -a healing < <(healing sim-cut/metrics.csv 0 "$settle" $((settle + cut_s)))
    echo "        simulated two components after ${healing[0]} s, one ${healing[1]} s after the healing"
}

make_hosts
network 'delay 1'
calibrate
found
echo "$hosts nodes on $(nproc) processors, lines by $emulator, $MODEL, an exchange begun every $local_steps steps; times in s"
row '' '' 'one swarm' 'first' "$hosts" 'exchanges/' failed killed vanished
row '' '' after exchange exchanges node/min % noticed noticed
for condition in $conditions; do
    case $condition in
    clean) scenario clean 10 0 0 ;;
    delay) scenario delay 200 0 0 ;;
    loss) scenario loss 10 0.05 0 ;;
    rate) scenario rate 10 0 1000 ;;
    cut) scenario_cut ;;
    *) fail "there is no condition $condition" ;;
    esac
done
if [ "$emulator" = hub ]; then
    exec 7>&-
    wait "$hub_pid" && tail -n 1 hub.log
    hub_pid=
fi
[ "$wrong" = 0 ] || exit 1
