#!/bin/sh
# A rank that fails must end all of them soon, with a status that is not 0 and a message that says which one it was.
# usage: failures.sh <mpiexec> <program>
set -u
mpiexec=$1
program=$2
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT INT TERM
failed=0

# check <how> <status: 0 or other> <what the output says>
check() {
  timeout 60 "$mpiexec" -n 3 "$program" "$1" >"$log" 2>&1
  status=$?
  good=1
  if [ "$status" -eq 124 ]; then good=0; echo "$1: still waiting after a minute"; fi
  if [ "$2" = 0 ] && [ "$status" -ne 0 ]; then good=0; fi
  if [ "$2" != 0 ] && [ "$status" -eq 0 ]; then good=0; fi
  grep -q "$3" "$log" || good=0
  if [ "$good" = 1 ]; then return; fi
  failed=$((failed + 1))
  echo "$1: status $status, and the output, which should have said '$3':"
  head -n 20 "$log"
}

check none 0 'rank 2 reached the end'
check fault other 'rank 1 of 3: step 3: the loss is nan'
check return other 'rank 1 of 3: this process ended before its work was done'
check exit other 'Exit code: *7'
check kill other 'exited on signal 9'
check shape other 'rank [0-9] of 3: MPI_[A-Za-z]* failed in rank'
echo "failures: $((6 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
