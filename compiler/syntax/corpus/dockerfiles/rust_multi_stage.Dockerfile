FROM debian:stable AS chef
RUN apt-get update && apt-get install -y cargo
WORKDIR /work

FROM chef AS planner
COPY . .
RUN cargo metadata --format-version 1 > plan.json

FROM chef AS builder
COPY --from=planner /work/plan.json plan.json
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo build --release --locked \
 && cp target/release/server /server

FROM debian:stable-slim AS runtime
COPY --from=builder --chmod=0755 /server /usr/local/bin/server
ENV RUST_LOG=info
EXPOSE 8080/tcp
HEALTHCHECK --interval=30s --timeout=3s --retries=3 CMD ["/usr/local/bin/server", "--health"]
CMD ["server"]
