#!/bin/sh
set -e
case "$1" in
serve) exec waitress-serve --listen="127.0.0.1:${PORT:-8000}" app.web:application ;;
esac
exec "$@"
