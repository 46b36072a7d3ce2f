# What is fed into a loopback node comes out at its capture side, buffer by buffer and byte for byte, to a reader that
# came later and waits by epoll: driver and feeder are sound.
clip=/road_320x240_30.h264
/feed /dev/video20 $clip 320 240 30 > /tmp/units &
feeder=$!
sleep 1
/stream /dev/video20 0 0 0 60 /tmp/got || exit 1
kill $feeder
size=$(stat -c %s /tmp/got)
[ "$size" -gt 10000 ] || { echo "only $size bytes"; exit 1; }
cat $clip $clip > /tmp/played
while read -r offset rest; do
  cmp -s -n "$size" /tmp/got /tmp/played 0 "$offset" && { echo "60 units, $size bytes from $offset"; exit 0; }
done < /tmp/units
echo "the bytes are not those of the clip"
exit 1
