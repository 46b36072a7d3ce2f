# The camera falls silent for two and a half seconds: the page gets a sentence, and within a second of the camera's return
# the same viewer has a picture again, a keyframe first and nothing that was never fed.
. /common.sh
/feed /dev/video20 /road_640x480_30.h264 640 480 30 > /tmp/fed &
feeder=$!
serve --source v4l2:/dev/video20 --log debug
/viewer http://127.0.0.1:8080/whep --seconds 9 --json --log /tmp/seen > /tmp/report 2>&1 &
viewer=$!
sleep 4
[ "$(source_says sentence)" = "" ] || fail "a complaint about a camera that works: $(source_says sentence)"
kill $feeder
sleep 2.5
said=$(source_says sentence)
[ -n "$said" ] || fail "not a word about a camera without pictures"
/feed /dev/video20 /road_640x480_30.h264 640 480 30 > /tmp/fed_again &
sleep 2
[ "$(source_says sentence)" = "" ] || fail "still complains: $(source_says sentence)"
wait $viewer || fail "viewer: $(cat /tmp/report)"
finish
cat /tmp/fed_again >> /tmp/fed
# The sixth field is the kernel's stamp on a picture's first datagram, in nanoseconds.
awk 'NR == FNR { fed[$3]; next }
  { if (!($4 in fed)) strange++; if (last && $6 - last > gap) { gap = $6 - last; after = 0 } last = $6; after++ }
  END { printf "silent for %.2f s, %d pictures after that, %d never fed\n", gap / 1e9, after, strange
    exit !(gap > 2.4e9 && gap < 3.5e9 && after > 30 && !strange) }' /tmp/fed /tmp/seen || fail "$(cat /tmp/report)"
echo "said meanwhile: $said"
