#!/usr/bin/env bash
set -Eeo pipefail

# if the first argument is an option, run calc with it
if [ "${1:0:1}" = '-' ]; then
	set -- calc "$@"
fi
if [ "$1" = 'calc' ]; then
	[ -w "$CALC_DATA" ] || { echo >&2 "cannot write to $CALC_DATA"; exit 1; }
	[ "$(stat -c %a "$CALC_DATA")" = 700 ]
	echo "$@" > "$CALC_DATA/last"
fi
exec "$@"
