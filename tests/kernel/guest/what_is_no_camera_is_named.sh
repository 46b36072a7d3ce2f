# A device that is missing, or no camera, or none that delivers H.264, is a state with a sentence: the page is served, the
# program stays, waits without spinning (in virtual time a busy loop would never end), and leaves when it is told to.
. /common.sh
node() { for v in /sys/class/video4linux/*; do [ "$(cat $v/name)" = "$1" ] && echo "/dev/${v##*/}"; done; }
expect() { # DEVICE WORDS
  serve --source "v4l2:$1"
  sleep 5
  said=$(source_says sentence)
  case $said in *"$1"*"$2"*) ;; *) fail "$1: '$said' does not say '$2'" ;; esac
  finish
}
expect /dev/video99 ""
expect /dev/null "no video device"
expect /dev/video10 " more; with an encoder"
expect /dev/video20 "delivers nothing yet"
expect "$(node stateful-encoder)" "no camera"
expect "$(node vim2m)" "no camera"
expect /dev/video21 "no camera"
echo "each told in a sentence"
