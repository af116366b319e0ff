#!/bin/bash
# soak.sh: NODES real daemons on loopback, one of which is killed (SIGKILL) every second and started again a second
# later, for MINUTES minutes. A few are spared and show whether memory or descriptors grow. Then the killing stops, and
# nobody may be lost. The same swarm then runs undisturbed, from the same state to the same age: both must reach the
# same accuracy. `make soak MINUTES=10` runs it; it takes twice MINUTES and four minutes more.
#
#     MINUTES   10   NODES   64   SPARED   8   never killed
#     CPU       2%   what a node's training may use of one core
#     DOWN_S     1   how long a killed node stays away, s
#     KEEP           any text: keep the folder with the logs
#
# Exits 1 and says what failed if a node ended by itself, was lost or is unhealthy, if the spared ones grew, or if the
# accuracies differ by more than a point. Leaves no process behind however it ends, itself killed included.
. "$(dirname "$0")/../system/lib.sh"
minutes=${MINUTES:-10} nodes=${NODES:-64} spared=${SPARED:-8} down=${DOWN_S:-1}
data=builtin:glyphs,train=$((nodes * 100)),test=1000
kills=0 wrong=0 interval=60 sample_interval=10 # s, of what is shown and of what is judged
[ "$minutes" -ge 4 ] || interval=$((minutes * 15))
[ "$nodes" -gt $((spared + down + 1)) ] || fail "NODES=$nodes: expected more than $((spared + down + 1))"

# The logs of all are too much: of a failure, `complain` shows the lines that matter.
cleanup() {
    local pid
    for pid in "${PID[@]}"; do
        disown "$pid" 2>/dev/null
        kill -9 "$pid" 2>/dev/null
    done
    cd / || true
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $T"
    else
        rm -rf "$T"
    fi
}
complain() { # WHY [NODE]
    wrong=1
    echo "FAILED: $1"
    [ -z "${2:-}" ] || tail -n 3 "$T/$2.log" | sed 's/^/    /'
}
# Whoever starts a node takes it along when it dies.
launch() { # DIR [ARGS...]
    local dir=$1
    shift
    setpriv --pdeathsig KILL -- "$GRAPEVINE" run "$dir" "$@" >>"$T/${dir##*/}.log" 2>&1 </dev/null &
    PID[$dir]=$!
}
configure() { # DIR
    sed -i -E '/^(cpu|checkpoint|evaluate|log_level)[ =]/d' "$1/config.ini"
    printf 'cpu = %s\ncheckpoint = 10s\nevaluate = 1m\nlog_level = unusual\n' "${CPU:-2%}" >>"$1/config.ini"
}
spent() {
    echo "$(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
}

# ---- the swarm, before anybody has trained -------------------------------------------------------------------------

declare -A taken=()
fresh_port() { # sets free
    free=$(port)
    while [ -n "${taken[$free]:-}" ]; do
        free=$(port)
    done
    taken[$free]=1
}
found() {
    local i token
    fresh_port
    good create n1 --name soak --model mlp:784-32-10 --data "$data" --listen "tcp://127.0.0.1:$free" --shard "1/$nodes" \
        --set local_steps=64 --set rate=0.02 --set momentum=0.9 --set seed=1
    configure n1
    start n1
    good pause n1
    token=$("$GRAPEVINE" invite n1 --uses "$nodes" 2>/dev/null)
    for ((i = 2; i <= nodes; i++)); do
        fresh_port
        good join "$token" "n$i" --data "$data" --listen "tcp://127.0.0.1:$free" --shard "$i/$nodes"
        configure "n$i"
    done
    stop n1
    mkdir calm
    cp -a n* calm/
    rm -f calm/*.log
}
launch_all() { # [ARGS...]
    local i
    for ((i = 1; i <= nodes; i++)); do
        launch "n$i" "$@"
    done
}
everybody() { # COMMAND...: for each node, its name appended
    local i
    for ((i = 1; i <= nodes; i++)); do
        "$@" "n$i"
    done
}
await_answer() { # NODE
    eventually 120 answers "$1"
}

# ---- churn -----------------------------------------------------------------------------------------------------------

# Who should run and does not has ended by itself.
missing() {
    local node count=0
    for node in "${!PID[@]}"; do
        if ! kill -0 "${PID[$node]}" 2>/dev/null; then
            wait "${PID[$node]}" 2>/dev/null
            complain "$node ended by itself, status $?" "$node"
            unset "PID[$node]"
            count=$((count + 1))
        fi
    done
    return "$count"
}
# sample: memory (kB) and descriptors of the spared, mean and largest, appended to samples.
sample() {
    local i pid files
    for ((i = 1; i <= spared; i++)); do
        pid=${PID[n$i]}
        files=("/proc/$pid/fd"/*)
        sed -nE "s/^VmRSS:\s*([0-9]+) kB/\1 ${#files[@]}/p" "/proc/$pid/status"
    done | awk -v at=$((SECONDS - churning)) '
        { n++; kb += $1; fd += $2; if ($1 > kb_max) kb_max = $1; if ($2 > fd_max) fd_max = $2 }
        END { printf "%d %.0f %d %.1f %d\n", at, kb / n, kb_max, fd / n, fd_max }' >>samples
}
row() { # the newest sample
    local age accuracy
    age=$(field n1 age) accuracy=$(field n1 accuracy)
    tail -n 1 samples | awk -v kills="$kills" -v age="$age" -v accuracy="$accuracy" '
        { printf "%6d s %6d %9.0f %9.1f %9.1f %9.1f %8.1f %5d\n", $1, kills, age, 100 * accuracy, $2 / 1024, $3 / 1024, $4, $5 }'
}
# Draws somebody who runs and is not spared.
draw_victim() { # sets victim
    victim=n$((spared + 1 + (RANDOM * 32768 + RANDOM) % (nodes - spared)))
    while [ -z "${PID[$victim]:-}" ]; do
        victim=n$((spared + 1 + (RANDOM * 32768 + RANDOM) % (nodes - spared)))
    done
}
churn() {
    local tick=0 victim absent=() first now until_ns passed next_sample=$sample_interval next_row=$interval
    first=$(date +%s%N)
    churning=$SECONDS
    : >samples
    printf '%8s %6s %9s %9s %19s %14s\n' time kills age accuracy 'memory MB, largest' 'descriptors'
    sample
    row
    while [ $((SECONDS - churning)) -lt $((minutes * 60)) ]; do
        tick=$((tick + 1))
        if [ "${#absent[@]}" -ge "$down" ]; then
            launch "${absent[0]}"
            absent=("${absent[@]:1}")
        fi
        draw_victim
        murder "$victim"
        absent+=("$victim")
        kills=$((kills + 1))
        passed=$((SECONDS - churning))
        if [ "$passed" -ge "$next_sample" ]; then
            sample
            next_sample=$((next_sample + sample_interval))
        fi
        if [ "$passed" -ge "$next_row" ]; then
            row
            missing || return
            next_row=$((next_row + interval))
        fi
        until_ns=$((first + tick * 1000000000)) now=$(date +%s%N)
        [ "$until_ns" -le "$now" ] || sleep "$(((until_ns - now) / 1000000))e-3"
    done
    for victim in "${absent[@]}"; do
        launch "$victim"
    done
    if [ "$next_row" -le $((minutes * 60)) ]; then
        sample
        row
    fi
}

# ---- what must hold ------------------------------------------------------------------------------------------------

# Growth by a straight line through the samples, which the links that come and go at a moment do not bend: of memory in
# the second half of the time (in the first, buffers and tables fill up), of descriptors after the first tenth (until then
# pairs that dialled each other at once hold two links). Flat is what stays below 2.5 % and 0.5 MB, and below 10
# descriptors: one for some fifty that were killed in ten minutes.
flat() {
    awk -v slack=512 -v half=$((minutes * 30)) '
        function take(line, x, y) { n[line]++; sx[line] += x; sxx[line] += x * x; sy[line] += y; sxy[line] += x * y }
        function growth(line, span, bottom) {
            bottom = n[line] * sxx[line] - sx[line] * sx[line]
            return bottom == 0 ? 0 : (n[line] * sxy[line] - sx[line] * sy[line]) / bottom * span
        }
        $1 >= half / 5 { take("files", $1, $4) }
        $1 >= half { take("memory", $1, $2) }
        $1 >= half && !(base > 0) { base = $2 }
        END {
            kb = growth("memory", half); files = growth("files", 1.8 * half)
            if (base / 40 > slack) slack = base / 40
            printf "growth: memory %+.2f MB in the last %d s, descriptors %+.1f in %d s\n", kb / 1024, half, files, 1.8 * half
            exit kb > slack || files > 10
        }' samples
}
exchanges_of() { # NODE
    local count
    count=$(field "$1" exchanges_done)
    echo "${count:-0}"
}
# Everybody has neighbours, exchanges and is healthy.
nobody_lost() {
    local node neighbours waited
    declare -A before=()
    for node in $(everybody echo); do
        before[$node]=$(exchanges_of "$node")
    done
    sleep 10
    for node in $(everybody echo); do
        for ((waited = 0; waited < 60; waited++)); do
            [ "$(exchanges_of "$node")" -le "${before[$node]}" ] || break
            sleep 1
        done
        [ "$waited" -lt 60 ] || complain "$node does not exchange" "$node"
        neighbours=$(field "$node" peers_active)
        [ "${neighbours:-0}" -ge 1 ] || complain "$node has no neighbour" "$node"
        gv status "$node" --check
        [ "$code" = 0 ] || complain "$node: $(tail -n 1 "$T/err")" "$node"
    done
    [ "$wrong" = 0 ] && echo "after the killing: all $nodes have neighbours, exchange and are healthy"
}

# ---- to the same age -----------------------------------------------------------------------------------------------

# Waits until all have ended by themselves at the age they were given.
all_end() { # SECONDS
    local deadline=$((SECONDS + $1)) told=$SECONDS node now
    while [ "${#PID[@]}" -gt 0 ] && [ "$SECONDS" -lt "$deadline" ]; do
        sleep 1
        for node in "${!PID[@]}"; do
            kill -0 "${PID[$node]}" 2>/dev/null && continue
            wait "${PID[$node]}"
            code=$?
            [ "$code" = 0 ] || complain "$node ended with status $code on the way to age $age" "$node"
            unset "PID[$node]"
        done
        if [ $((SECONDS - told)) -ge 60 ] && [ -n "${PID[n1]:-}" ]; then
            told=$SECONDS
            now=$(field n1 age)
            echo "    $(spent): age ${now%.*} of $age"
        fi
    done
    for node in "${!PID[@]}"; do
        complain "$node did not reach age $age within $1 s" "$node"
        murder "$node"
    done
}
# The accuracy of all served models, mean and worst, on ten times as many test samples as the nodes have: of two models
# that disagree on a tenth of 1,000, one is a point better by chance.
accuracies() {
    local node
    for node in $(everybody echo); do
        gv eval "$node" --data builtin:glyphs,train=10,test=10000 --json
        sed -nE 's/^ *"accuracy": *([0-9.]+),?$/\1/p' "$T/out"
    done | awk '{ n++; sum += $1; if (n == 1 || $1 < least) least = $1 }
        END { if (n > 0) printf "%.4f %.4f %d\n", sum / n, least, n; else print "0 0 0" }'
}
oldest_age() {
    everybody eval_age | sort -n | tail -n 1
}
eval_age() { # NODE
    local value
    value=$(field "$1" age)
    echo "${value%%.*}"
}

began=$SECONDS
echo "$nodes nodes on $(nproc) processors, $minutes min of churn, then the same undisturbed"
found
echo "    $(spent): the swarm is made"
launch_all
everybody await_answer
for ((i = 1; i <= nodes; i++)); do
    eventually 60 holds "n$i" exchanges_done -ge 1
done
echo "    $(spent): all train and exchange; from now on one is killed every second"
churn
[ "$wrong" = 0 ] || exit 1
asked=$((minutes * 60))
echo "    $(spent): $kills killed in $asked s"
sleep 20
everybody await_answer
missing || true
nobody_lost
flat || complain 'the spared nodes grew'
age=$(oldest_age)
age=$((age + age / 50 + 256))
for ((i = 1; i <= nodes; i++)); do
    kill -TERM "${PID[n$i]}" 2>/dev/null
done
for ((i = 1; i <= nodes; i++)); do
    [ -z "${PID[n$i]:-}" ] || { wait "${PID[n$i]}" && unset "PID[n$i]"; } || complain "n$i ended with status $?" "n$i"
done
PID=()
echo "    $(spent): on to age $age"
launch_all --until-age "$age"
all_end $((minutes * 60 + 300))
read -r churned churned_least count < <(accuracies)
[ "$count" = "$nodes" ] || complain "only $count models could be evaluated"
rm -rf n? n?? n???
mv calm/n* .
echo "    $(spent): the same undisturbed, to age $age"
launch_all --until-age "$age"
all_end $((minutes * 180 + 600))
read -r calm calm_least count < <(accuracies)
[ "$count" = "$nodes" ] || complain "only $count models could be evaluated"
echo "at age $age"
awk -v a="$churned" -v b="$churned_least" -v c="$calm" -v d="$calm_least" 'BEGIN {
    printf "    %-28s %5.1f %% on average, %5.1f %% the worst\n", "one killed every second", 100 * a, 100 * b
    printf "    %-28s %5.1f %% on average, %5.1f %% the worst\n", "undisturbed", 100 * c, 100 * d
    exit 100 * (c - a) > 1.0 }' || complain 'more than a point below the undisturbed run'
[ "$wrong" = 0 ] || exit 1
echo "soak: passed in $(spent)"
