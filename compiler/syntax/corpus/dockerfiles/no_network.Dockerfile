FROM debian:stable-slim AS fetch
ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 https://example.com/tool.tar.gz /tool.tar.gz
FROM debian:stable-slim
COPY --from=fetch /tool.tar.gz /
RUN --network=none tar -C /usr/local -xzf /tool.tar.gz && rm /tool.tar.gz
