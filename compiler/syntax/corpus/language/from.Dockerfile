ARG VERSION=stable
FROM debian:${VERSION}-slim
from debian
FROM --platform=$BUILDPLATFORM debian@sha256:0123 AS Build-1.a_b
FROM --platform="linux/amd64" scratch as x
FROM Build-1.a_b aS y
