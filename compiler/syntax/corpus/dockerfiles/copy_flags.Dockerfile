FROM debian:stable-slim AS src
RUN mkdir -p /a/b && touch /a/b/c
FROM debian:stable-slim
COPY --link --chmod=755 scripts/ /usr/local/bin/
COPY --parents ./src/./lib/*.py /app/
COPY --exclude=*.md --exclude=**/test . /app
COPY --from=src --chown=1000:1000 /a /a
COPY ["file with blanks.txt", "another one.txt", "/docs dir/"]
COPY a.txt b.txt /both/
