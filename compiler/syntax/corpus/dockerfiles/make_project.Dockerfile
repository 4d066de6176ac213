FROM debian:stable AS dev
RUN apt-get update && apt-get install -y build-essential
WORKDIR /src
COPY Makefile ./
COPY *.c *.h ./
RUN make -j"$(nproc)" && make DESTDIR=/out install
FROM debian:stable-slim
COPY --from=dev /out/ /
ENTRYPOINT ["/usr/local/bin/tool"]
