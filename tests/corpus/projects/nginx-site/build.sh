#!/bin/sh -eu
mkdir -p "$2"
for page in "$1"/*.txt; do
	name=$(basename "$page" .txt)
	awk -v title="$SITE_TITLE" -v body="$(cat "$page")" '{ gsub("@TITLE@", title); gsub("@BODY@", body); print }' page.html > "$2/$name.html"
done
