# --steps and --until-age: settle and end with 0, or with 6 if nobody was ever found.
. "$(dirname "$0")/lib.sh"
CPU=20%
swarm a --set schedule=linear --set total_age=12000 --set rate=0.05
launch a --steps 100
ended a 6 20
[ ! -e a/control.sock ] || fail 'the control socket stayed'
start a --until-age 12000
member "$(token a)" b
stop b
launch b --until-age 12000
ended a 0 60
ended b 0 60
logged a 'settled'
gv eval a --data "$GLYPHS" --json
says '"accuracy": (0\.[3-9]|1)'
