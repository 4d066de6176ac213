#!/bin/sh
set -e
if [ "$1" = "nginx" ]; then
    find "/docker-entrypoint.d/" -follow -type f -print | sort -V | while read -r f; do
        case "$f" in
            *.sh) if [ -x "$f" ]; then "$f"; else echo "ignoring $f, not executable"; fi ;;
        esac
    done
fi
exec "$@"
