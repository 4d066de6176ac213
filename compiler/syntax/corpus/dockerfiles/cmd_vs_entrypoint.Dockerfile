FROM debian:stable-slim AS cmd
WORKDIR /
CMD ["ls"]
FROM debian:stable-slim AS entrypoint
WORKDIR /
ENTRYPOINT ["ls"]
FROM debian:stable-slim AS shell
ENTRYPOINT exec top -b
CMD -d 1
