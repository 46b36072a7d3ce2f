# From a camera node to a viewer by WebRTC: every picture that the camera delivered arrives, byte for byte and once.
. /common.sh
/feed /dev/video20 /road_640x480_30.h264 640 480 30 > /tmp/fed &
serve --source v4l2:/dev/video20 --log debug
/viewer http://127.0.0.1:8080/whep --seconds 5 --json --log /tmp/seen > /tmp/report 2>&1 || fail "viewer: $(cat /tmp/report)"
finish
# Fields of /tmp/seen: viewer, RTP time, datagrams, fingerprint, bytes, stamps. Of /tmp/fed: offset, bytes, fingerprint.
awk 'NR == FNR { fed[$3]; next }
  { seen++; if (!($4 in fed)) strange++ }
  END { printf "%d pictures seen, %d of them never fed\n", seen, strange; exit !(seen >= 140 && seen <= 160 && !strange) }' \
  /tmp/fed /tmp/seen || fail "$(cat /tmp/report)"
