# lib.sh: what the system tests share. Each test sources this, works in a temporary folder of its own, on ports of its
# own below 32768, and leaves no process behind however it ends. Needs nothing but bash and coreutils.
#
#     fail WHY...                    ends the test
#     gv ARGS...                     the program, with a time limit; output in $T/out and $T/err, status in $code
#     good ARGS... | bad CODE ARGS...  gv, and the status must be 0 | CODE (any: not 0)
#     says PATTERN                   the last gv wrote this on standard error (or output)
#     start DIR [ARGS...]            `run DIR` in the background, log in DIR.log; waits until it answers
#     launch DIR [ARGS...]           the same without waiting
#     ended DIR CODE [SECONDS]       the node's process ends by itself with this status
#     murder DIR | stop DIR          SIGKILL | `stop`
#     field DIR KEY                  a field of `status --json`
#     eventually SECONDS COMMAND...  polls until it succeeds, or fails the test
#     holds DIR KEY OP NUMBER        e.g. eventually 5 holds a exchanges_done -ge 3
#     counts DIR OBJECT KEY [N]      e.g. eventually 5 counts a dial_failures ERR_TIMEOUT 3
set -u
GRAPEVINE=${GRAPEVINE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/grapevine}
TOOLS=${TOOLS:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/release/tests/system}
T=$(mktemp -d "${TMPDIR:-/tmp}/gvtest.XXXXXX")
declare -A PID=()
code=0
# Sanitizers slow everything down.
case ${MODE:-release} in release | debug) slow=1 ;; *) slow=4 ;; esac
export OPENBLAS_NUM_THREADS=1
GLYPHS=builtin:glyphs,train=400,test=100
MODEL=softmax:784-10

cleanup() {
    local status=$? pid
    for pid in "${PID[@]}"; do
        disown "$pid" 2>/dev/null # or bash reports the kill
        kill -9 "$pid" 2>/dev/null
    done
    if [ "$status" != 0 ] && [ "$status" != 77 ]; then
        for log in "$T"/*.log; do
            [ -e "$log" ] && echo "--- ${log##*/}" && tail -n 15 "$log"
        done
    fi
    [ -n "${MOUNTED:-}" ] && umount "$MOUNTED" 2>/dev/null
    cd /
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
cd "$T" || exit 1

fail() {
    echo "FAILED (line ${BASH_LINENO[${#BASH_LINENO[@]} - 2]}): $*"
    [ -s "$T/err" ] && echo "--- standard error of the last command" && tail -n 10 "$T/err"
    exit 1
}
skip() {
    echo "$*"
    exit 77
}

gv() {
    timeout -k 2 $((60 * slow)) "$GRAPEVINE" "$@" >"$T/out" 2>"$T/err" </dev/null
    code=$?
    return 0
}
good() {
    gv "$@"
    [ "$code" = 0 ] || fail "grapevine $1: status $code, expected 0"
}
bad() {
    local wanted=$1
    shift
    gv "$@"
    if [ "$wanted" = any ]; then
        [ "$code" != 0 ] && [ "$code" -lt 100 ] || fail "grapevine $*: status $code, expected a failure"
    else
        [ "$code" = "$wanted" ] || fail "grapevine $*: status $code, expected $wanted"
    fi
    [ -s "$T/err" ] || fail "grapevine $1 failed without a word"
}
says() {
    cat "$T/err" "$T/out" | grep -qiE -- "$1" || fail "expected it to say '$1'"
}

# A port nobody listens on.
port() {
    local candidate
    while :; do
        candidate=$((10000 + (RANDOM * 32768 + RANDOM) % 22000))
        (exec 3<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || break
    done
    echo "$candidate"
}

# Nodes of a test use little of the processor and write often.
tame() { # DIR
    local key
    sed -i -E '/^(cpu|checkpoint|evaluate)[ =]/d' "$1/config.ini"
    printf 'cpu = %s\ncheckpoint = 2s\nevaluate = 2s\n' "${CPU:-10%}" >>"$1/config.ini"
}

# swarm DIR [CREATE-ARGS...]: makes a swarm whose first node is DIR.
swarm() {
    local dir=$1
    shift
    good create "$dir" --name test --model "$MODEL" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)" \
        --set local_steps=8 "$@"
    tame "$dir"
}
# token DIR [INVITE-ARGS...]: prints one.
token() {
    local dir=$1
    shift
    "$GRAPEVINE" invite "$dir" --uses 20 "$@" 2>>"$T/err" || echo none
}
# member TOKEN DIR [JOIN-ARGS...]: joins on a port of its own and starts.
member() {
    local token=$1 dir=$2
    shift 2
    good join "$token" "$dir" --data "$GLYPHS" --listen "tcp://127.0.0.1:$(port)" "$@"
    tame "$dir"
    start "$dir"
}

launch() {
    local dir=$1
    shift
    "$GRAPEVINE" run "$dir" "$@" >>"$T/${dir##*/}.log" 2>&1 </dev/null &
    PID[$dir]=$!
}
# It answers and has loaded its data and checkpoint: until then it knows nothing of them.
answers() {
    "$GRAPEVINE" status "$1" --json 2>/dev/null | grep -q '"accuracy_on": "'
}
start() {
    launch "$@"
    local i
    for ((i = 0; i < 100 * slow; i++)); do
        answers "$1" && return 0
        kill -0 "${PID[$1]}" 2>/dev/null || fail "the node on $1 ended: $(tail -n 1 "$T/${1##*/}.log")"
        sleep 0.1
    done
    fail "the node on $1 does not answer"
}
alive() {
    kill -0 "${PID[$1]}" 2>/dev/null
}
ended() {
    local dir=$1 wanted=$2 seconds=${3:-10} i
    for ((i = 0; i < seconds * 10 * slow; i++)); do
        alive "$dir" || break
        sleep 0.1
    done
    alive "$dir" && fail "the node on $dir did not end within $seconds s"
    wait "${PID[$dir]}"
    code=$?
    unset "PID[$dir]"
    [ "$code" = "$wanted" ] || fail "the node on $dir ended with status $code, expected $wanted"
}
murder() {
    kill -9 "${PID[$1]}"
    wait "${PID[$1]}" 2>/dev/null
    unset "PID[$1]"
}
stop() {
    good stop "$1"
    ended "$1" 0
}

field() {
    "$GRAPEVINE" status "$1" --json 2>/dev/null | sed -nE 's/^ *"'"$2"'": "?([^",]*)"?,?$/\1/p' | head -n 1
}
holds() {
    local value
    value=$(field "$1" "$2")
    value=${value%%.*}
    [[ $value =~ ^-?[0-9]+$ ]] && [ "$value" "$3" "$4" ]
}
# counted DIR OBJECT KEY: a number in an object of `status --json`, 0 if it is not there.
counted() {
    "$GRAPEVINE" status "$1" --json 2>/dev/null | sed -n '/^  "'"$2"'": {$/,/^  }/p' |
        sed -nE 's/^ *"'"$3"'": ([0-9]+),?$/\1/p' | head -n 1 | grep . || echo 0
}
counts() { # DIR OBJECT KEY [AT-LEAST]
    [ "$(counted "$1" "$2" "$3")" -ge "${4:-1}" ]
}
# refused DIR REASON [AT-LEAST]: status counts refusals with this reason.
refused() {
    counts "$1" refusals "$2" "${3:-1}"
}
state_is() {
    [ "$(field "$1" state)" = "$2" ]
}
logged() { # DIR PATTERN
    grep -qE -- "$2" "$T/${1##*/}.log"
}
eventually() {
    local seconds=$1 i
    shift
    for ((i = 0; i < seconds * 10 * slow; i++)); do
        "$@" && return 0
        sleep 0.1
    done
    fail "not within $seconds s: $*"
}
# Goes on exchanging: more exchanges than now.
exchanges_on() {
    local before
    before=$(field "$1" exchanges_done)
    eventually "${2:-10}" holds "$1" exchanges_done -gt "${before:-0}"
}
