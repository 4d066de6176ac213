FROM --platform=linux/amd64 debian:stable-slim AS amd64
FROM --platform=linux/arm64 debian:stable-slim AS arm64
FROM ${TARGETARCH} AS final
ARG TARGETARCH
RUN echo "building for $TARGETARCH"
