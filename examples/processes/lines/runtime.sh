#!/bin/sh
# A language runtime of one's own: an event a line comes in, an answer a line goes out. What is a log goes to stderr.
while read -r event; do
  echo "an event of ${#event} characters" >&2
  printf '{"echo":%s}\n' "$event"
done
