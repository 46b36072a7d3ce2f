# Among the nodes of real drivers, auto takes the one that delivers H.264, shows its pictures, and tells why; a setting
# that it has no control for is refused in words. Without such a node it says what the others give, and draws the demo.
fail() { echo "$*"; tail -40 /tmp/windshield.log; exit 1; }
start() { # starts windshield; /tmp/stats is then what it says of itself
  /windshield --http 127.0.0.1:8080 > /tmp/windshield.log 2>&1 &
  car=$!
  tries=0
  until wget -q -O /tmp/stats http://127.0.0.1:8080/stats; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] && kill -0 $car 2> /dev/null || fail "windshield does not answer"
    sleep 0.1
  done
}
has() { grep -q -F "$2" "$1" || fail "$1 lacks $2: $(cat "$1")"; }

/feed /dev/video20 /road_640x480_30.h264 640 480 30 > /tmp/fed &
feeder=$!
sleep 1
start
has /tmp/stats '"name": "camera"'
has /tmp/stats '/dev/video20 (v4l2 loopback) delivers H.264 itself'
has /tmp/windshield.log '/dev/video20 (v4l2 loopback) delivers H.264 itself'
sleep 2
wget -q -O /tmp/stats http://127.0.0.1:8080/stats
frames=$(sed -n 's/^ *"frames": \([0-9]*\),$/\1/p' /tmp/stats | head -1)
[ "$frames" -ge 30 ] || fail "only $frames frames in two seconds"
printf 'PATCH /camera HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\nConnection: close\r\n' > /tmp/ask
printf 'Content-Length: 14\r\n\r\n{"hflip":true}' >> /tmp/ask
nc 127.0.0.1 8080 < /tmp/ask > /tmp/answer
has /tmp/answer '"hflip": "cannot: this camera has no such control"'
kill $car $feeder
wait

start
has /tmp/stats '"name": "demo"'
has /tmp/stats '/dev/video10 (vivid) gives '
has /tmp/stats 'more but no H.264'
kill $car
echo "$frames frames from the fed node; the demo without it"
