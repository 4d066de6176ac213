FROM scratch
HEALTHCHECK NONE x
HEALTHCHECK curl localhost
HEALTHCHECK CMD
HEALTHCHECK CMD []
HEALTHCHECK --interval=5 --timeout=1d --start-period=x --start-interval=100us --retries=-1 CMD x
HEALTHCHECK --retries=3.5 --timeout=-5s CMD x
HEALTHCHECK --interval
