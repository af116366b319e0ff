# A run is a function of scenario and seed, whatever compiled the program: gcc -O0, clang -O3 and clang -O0 beside the
# build under test. A compiler that is not there is left out, and named.
. "$(dirname "$0")/lib.sh"
[ "${MODE:-release}" = release ] || skip 'only beside a release build'
ROOT=$(cd "$(dirname "$GRAPEVINE")/.." && pwd)
[ -d "$ROOT/node/core" ] || skip 'no sources beside the program'

# As the Makefile does it: each group sees only what it may, and products are never contracted.
compile() { # SOURCE OBJECT COMPILER FLAGS...
    local source=$1 object=$2 includes
    shift 2
    case $source in
    proto/*) includes='-Iproto -D_POSIX_C_SOURCE=200809L' ;;
    node/core/*) includes='-Inode/core' ;;
    node/learn/*) includes='-Inode/learn -D_POSIX_C_SOURCE=200809L' ;;
    *) includes='-Iproto -Inode/learn -Isim -D_GNU_SOURCE' ;;
    esac
    # shellcheck disable=SC2086
    "$@" -std=c17 -ffp-contract=off -pthread -w -Iinclude $includes -c -o "$object" "$source"
}
export -f compile
build() { # NAME COMPILER FLAGS...
    local name=$1
    shift
    mkdir -p "$T/$name"
    (cd "$ROOT" && printf '%s\n' proto/*.c node/core/*.c node/learn/*.c sim/*.c |
        xargs -P 2 -I{} bash -c 'object=$(echo "$1" | tr / _).o; compile "$1" "$2/$object" "${@:3}"' _ {} "$T/$name" "$@") ||
        fail "$name does not compile"
    "$1" -pthread -o "$T/$name/grapevine-sim" "$T/$name"/*.o -lzmq -lmsgpackc -lsodium -lopenblas -linih -ljansson -lz -lm ||
        fail "$name does not link"
}

cat >mean.ini <<'END'
[swarm]
nodes = 40
mode = mean
duration = 20s
round = 1s
[network]
latency = lognormal:30ms,0.5
jitter = uniform:0ms,5ms
loss = 1%
damage = 0.5%
bandwidth = lognormal:20Mbit,0.5
[churn]
session = weibull:20s,0.7
downtime = exponential:3s
drift = 1%
[faults]
partition = 50% from 8s to 12s
[adversaries]
fraction = 10%
attack = noise
scale = 0.1
END
cat >membership.ini <<'END'
[swarm]
nodes = 60
mode = membership
duration = 30s
arrival = 5s
[network]
latency = lognormal:30ms,0.5
[churn]
rate = 20%/min
downtime = exponential:5s
END
cat >train.ini <<'END'
[swarm]
nodes = 8
duration = 15s
[learning]
model = mlp:784-16-10
data = builtin:glyphs,train=200,test=50
partition = dirichlet:0.5
local_steps = 4
batch = 8
momentum = 0.9
codec = f16
[network]
latency = lognormal:30ms,0.5
[compute]
step_time = lognormal:80ms,0.3
jitter = lognormal:1,0.2
END
hashes() { # PROGRAM
    local mode
    for mode in mean membership train; do
        timeout 60 "$1" "$T/$mode.ini" --seed 3 2>>"$T/err" | sed -nE "s/^ *trace hash +/$mode /p"
    done
}
hashes "$(dirname "$GRAPEVINE")/grapevine-sim" >expected
[ "$(wc -l <expected)" = 3 ] || fail 'the program under test does not run them'
missing=
for way in 'gcc -O0' 'clang -O3' 'clang -O0'; do
    compiler=${way% *}
    if ! command -v "$compiler" >/dev/null; then
        missing="$missing $way,"
        continue
    fi
    name=${way// /}
    # shellcheck disable=SC2086
    build "$name" $way
    hashes "$name/grapevine-sim" >"$name/hashes"
    diff expected "$name/hashes" || fail "$way gives other runs"
    rm -rf "${T:?}/$name"
done
[ -z "$missing" ] || skip "not compared:${missing%,} (no such compiler)"
