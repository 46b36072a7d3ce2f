# What the other scripts share; read by them, no test of its own.

fail() { echo "$*"; tail -40 /tmp/windshield.log; exit 1; }

# serve ARGUMENT...: starts windshield and waits until it serves its page; sets $windshield.
serve() {
  /windshield --http 127.0.0.1:8080 "$@" > /tmp/windshield.log 2>&1 &
  windshield=$!
  tries=0
  until wget -q -O /dev/null http://127.0.0.1:8080/ 2> /dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] && kill -0 $windshield 2> /dev/null || fail "windshield serves no page"
    sleep 0.1
  done
}

# What windshield says of its source: its "state" or "sentence".
source_says() { wget -q -O - http://127.0.0.1:8080/stats | sed -n "/\"source\"/,/}/s/^ *\"$1\": \"\\(.*\\)\",*$/\\1/p"; }

# Ends it the way systemd does.
finish() {
  kill $windshield
  wait $windshield || fail "windshield ended with status $?"
}
