FROM debian:stable-slim AS base
WORKDIR /app
COPY . .

FROM base AS test
RUN --mount=type=cache,id=pip-${TARGETARCH},target=/root/.cache/pip ./run-tests.sh

FROM scratch AS reports
COPY --from=test /app/reports /

FROM base
COPY --from=test /app/version.txt /version.txt
CMD ["./start.sh"]
