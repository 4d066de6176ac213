FROM debian:stable-slim
ADD rootfs.tar.xz /
ADD https://example.com/file.txt /downloads/
ADD --keep-git-dir=true https://example.com/project.git#v1.0:src /src
ADD git@example.com:team/project.git#main /git
ADD --unpack=false archive.tar.gz /archives/
ADD --chown=app --chmod=0644 config.d/*.conf /etc/app/
