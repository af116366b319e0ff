# A joiner's data must fit the swarm's schema; `join` says how it differs and writes no membership.
. "$(dirname "$0")/lib.sh"
rows() { # CLASSES...
    local i class=("$@")
    for ((i = 0; i < 40; i++)); do
        echo "$((i % 7)),$((i % 5)),$((i % 3)),${class[i % $#]}"
    done
}
rows cat dog >ours.csv
good create a --name zoo --model softmax:3-2 --data csv:ours.csv --listen "tcp://127.0.0.1:$(port)"
tame a
start a
invite=$(token a)
refuse() { # PATTERN SPEC
    bad 3 join "$invite" x --data "$2"
    says "$1"
    [ ! -e x/member ] || fail 'a membership was written'
    rm -rf x
}
rows cat wolf >wolf.csv
refuse wolf csv:wolf.csv
rows cat dog | cut -d, -f2- >narrow.csv
refuse 'features|2.*3|3.*2' csv:narrow.csv
refuse 'features' "$GLYPHS"
# One class of the two is enough, and rows may come in any order.
rows dog >dogs.csv
good join "$invite" b --data csv:dogs.csv --listen "tcp://127.0.0.1:$(port)"
tame b
start b
exchanges_on b 15
# Without data a node serves and relays.
good join "$invite" c
start c
eventually 10 holds c peers_active -ge 1
[ "$(field c steps)" = 0 ] || fail 'it trained without data'
