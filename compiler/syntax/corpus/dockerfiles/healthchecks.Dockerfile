FROM debian:stable-slim AS web
HEALTHCHECK --interval=5m --timeout=3s \
  CMD curl -f http://localhost/ || exit 1
FROM web
HEALTHCHECK --start-period=1m --start-interval=2s CMD ["/bin/true"]
FROM web AS silent
HEALTHCHECK NONE
