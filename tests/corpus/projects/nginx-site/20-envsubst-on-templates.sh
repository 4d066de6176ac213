#!/bin/sh
set -e
for template in /etc/nginx/templates/*.template; do
    defined=$(printf '${%s} ' $(awk 'END { for (name in ENVIRON) print name }' < /dev/null))
    envsubst "$defined" < "$template" > "/etc/nginx/conf.d/$(basename "$template" .template)"
done
