# vivid keeps its pace under virtual time, whatever else this machine does: 300 frames at 30 fps, none missed. (Its thread
# counts in the kernel's ticks of 10 ms, so the stamps are only as good as that.)
said=$(/stream /dev/video10 320 180 30 300) || exit 1
echo "$said"
set -- $said
[ "$1" = 300 ] && [ "$3" = 0 ] || exit 1
[ "$5" -gt 9940000 ] && [ "$5" -lt 9990000 ] || { echo "299 intervals of 33,333 us were expected"; exit 1; }
