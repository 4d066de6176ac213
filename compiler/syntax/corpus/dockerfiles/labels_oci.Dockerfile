FROM debian:stable-slim
LABEL org.opencontainers.image.title="sample" \
      org.opencontainers.image.description="A sample image, with a comma" \
      org.opencontainers.image.licenses="MIT"
LABEL maintainer="A Developer <dev@example.com>"
LABEL "with space"='and quotes'
LABEL legacy one value
