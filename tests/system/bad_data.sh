# Data that cannot be used: an error with status 3 that names the file, and nothing is written.
. "$(dirname "$0")/lib.sh"
refuse() { # PATTERN SPEC [MODEL]
    bad 3 create x --name data --model "${3:-softmax:4-2}" --data "$2" --listen "tcp://127.0.0.1:$(port)"
    says "$1"
    [ ! -e x/node.key ] || fail 'a node was written'
    rm -rf x
}
refuse 'missing.csv' csv:missing.csv
refuse 'nowhere' idx:nowhere
printf '1,2,3,4,yes\n5,6,7,8,no\n1,2,3\n' >short.csv
refuse 'line 3|short.csv:3' csv:short.csv
printf '1,2,3,4,yes\n5,6,seven,8,no\n' >word.csv
refuse 'seven' csv:word.csv
: >empty.csv
refuse 'empty.csv' csv:empty.csv
printf '1,2,3,4,yes\n5,6,7,8,no\n2,3,4,5,yes\n3,4,5,6,no\n1,1,1,1,no\n' >fine.csv
gzip -c fine.csv | head -c 40 >cut.csv.gz
refuse 'cut.csv.gz' csv:cut.csv.gz
mkdir digits
printf 'not an IDX file at all' >digits/train-images-idx3-ubyte
printf 'nor this one' >digits/train-labels-idx1-ubyte
cp digits/train-images-idx3-ubyte digits/t10k-images-idx3-ubyte
cp digits/train-labels-idx1-ubyte digits/t10k-labels-idx1-ubyte
refuse 'train-images' idx:digits softmax:784-10
# The model must fit the data.
refuse '784|4' csv:fine.csv softmax:784-2
refuse 'class|2' csv:fine.csv softmax:4-7
refuse 'model|spec' csv:fine.csv transformer:4-2
refuse 'kind|spec|builtin|idx' video:fine.csv
# Data that vanishes later: the node says so and does not run.
good create a --name data --model softmax:4-2 --data csv:fine.csv --listen "tcp://127.0.0.1:$(port)"
mv fine.csv moved.csv
bad 3 run a
says 'fine.csv'
mv moved.csv fine.csv
start a
stop a
