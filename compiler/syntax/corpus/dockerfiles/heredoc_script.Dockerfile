# syntax=docker/dockerfile:1
FROM debian:stable-slim
RUN <<EOF
set -eux
apt-get update
apt-get install -y curl
# clean up behind us
rm -rf /var/lib/apt/lists/*
EOF
