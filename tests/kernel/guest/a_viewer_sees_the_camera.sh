# From a camera node to a viewer by WebRTC: every picture that the camera delivered arrives, byte for byte and once.
/feed /dev/video20 /road_640x480_30.h264 640 480 30 > /tmp/fed &
/windshield --source v4l2:/dev/video20 --http 127.0.0.1:8080 --log debug > /tmp/windshield.log 2>&1 &
windshield=$!
fail() { echo "$*"; tail -40 /tmp/windshield.log; exit 1; }
tries=0
until wget -q -O /dev/null http://127.0.0.1:8080/; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] && kill -0 $windshield 2> /dev/null || fail "windshield serves no page"
  sleep 0.1
done
/viewer http://127.0.0.1:8080/whep --seconds 5 --json --log /tmp/seen > /tmp/report 2>&1 || fail "viewer: $(cat /tmp/report)"
kill $windshield
# Fields of /tmp/seen: viewer, RTP time, datagrams, fingerprint, bytes, stamps. Of /tmp/fed: offset, bytes, fingerprint.
awk 'NR == FNR { fed[$3]; next }
  { seen++; if (!($4 in fed)) strange++ }
  END { printf "%d pictures seen, %d of them never fed\n", seen, strange; exit !(seen >= 140 && seen <= 160 && !strange) }' \
  /tmp/fed /tmp/seen || fail "$(cat /tmp/report)"
