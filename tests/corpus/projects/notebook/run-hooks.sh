#!/bin/bash
for hook in "$1"/*.sh; do
    [[ -f "${hook}" ]] && source "${hook}"
done
true
