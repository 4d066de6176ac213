FROM debian:stable-slim
RUN useradd -m -s /bin/bash dev
VOLUME ["/data", "/var/log/app"]
VOLUME /cache /scratch
USER dev:dev
WORKDIR /home/dev
WORKDIR project
USER 1000
CMD ["bash", "-l"]
