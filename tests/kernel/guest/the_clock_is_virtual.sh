# vivid keeps its pace to the microsecond under virtual time: 300 frames at 30 fps.
said=$(/stream /dev/video10 640 480 30 300) || exit 1
echo "$said"
set -- $said
[ "$1" = 300 ] && [ "$3" = 0 ] || exit 1
[ $((($5 - 9966667) / 100)) = 0 ] || { echo "expected 299 intervals of 33,333.3 us"; exit 1; }
