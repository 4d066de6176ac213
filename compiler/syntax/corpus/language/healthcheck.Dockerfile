FROM scratch
HEALTHCHECK NONE
HEALTHCHECK none
HEALTHCHECK CMD curl -f localhost || exit 1
HEALTHCHECK --interval=5m --timeout=3s --start-period=1m30s --start-interval=500ms --retries=3 CMD ["/check", "-q"]
HEALTHCHECK --interval=0 --retries=0 cmd   x
HEALTHCHECK --interval= --retries= CMD x
HEALTHCHECK --interval=1.5h \
  --timeout=10s \
  CMD a \
  && b
HEALTHCHECK --interval=3s NONE
