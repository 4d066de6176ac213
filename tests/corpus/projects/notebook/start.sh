#!/bin/bash
set -e
source /usr/local/bin/run-hooks.sh /usr/local/bin/start-notebook.d
echo "user $(id -un) in ${PWD}"
exec "$@"
