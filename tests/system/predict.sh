# predict on tables: no class is needed, and each row keeps its number.
. "$(dirname "$0")/lib.sh"
for ((i = 0; i < 40; i++)); do
    echo "$((i % 2 * 9)),$((i % 5)),$((i % 2 == 0)).5,$([ $((i % 2)) = 0 ] && echo cat || echo dog)"
done >ours.csv
good create a --name zoo --model softmax:3-2 --data csv:ours.csv --listen "tcp://127.0.0.1:$(port)"
bad 6 run a --steps 200 # alone
predicted() { # CLASSES, by blanks
    [ "$(sed 1d "$T/out" | cut -d, -f2 | tr '\n' ' ')" = "$1 " ] || fail "predicted $(cat "$T/out")"
}
printf '0,1,1.5,cat\n9,2,0.5,wolf\n9,3,.5,\n0,4,1.5,?\n' >odd.csv
good predict a --data csv:odd.csv
predicted 'cat dog dog cat'
cut -d, -f1-3 odd.csv >bare.csv
good predict a --data csv:bare.csv,label=none
predicted 'cat dog dog cat'
bad 3 predict a --data csv:bare.csv
bad 3 eval a --data csv:odd.csv
says 'none of the swarm'
# Rows that cannot be predicted are told, and the others keep their numbers.
printf 'x,y,z,kind\n0,1,1.5,cat\n?,1,1.5,cat\n\n9,2,0.5,dog\n9,nan,0.5,dog\n0,4,1.5,cat\n' >holes.csv
good predict a --data csv:holes.csv
predicted 'cat dog cat'
[ "$(cut -d, -f1 "$T/out" | tr '\n' ' ')" = 'row 0 2 4 ' ] || fail "numbered $(cat "$T/out")"
says '2 rows of the data are skipped'
good eval a --data csv:holes.csv
says '3 samples'
says '2 rows of the data are skipped'
