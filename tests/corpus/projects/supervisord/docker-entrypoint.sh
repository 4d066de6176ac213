#!/bin/bash
set -euo pipefail
: "${PORT:=80}" "${APP_PORT:=8081}"
export PORT APP_PORT
sed -i "s/@PORT@/$PORT/; s/@APP_PORT@/$APP_PORT/" /etc/nginx/conf.d/nginx.conf
exec "$@"
