FROM scratch
EXPOSE 80
EXPOSE 80/tcp 443 8000-8010/udp $PORT
VOLUME /a
VOLUME /a /b	/c
VOLUME ["/a", " /b ", "/c d"]
VOLUME [/a]
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
SHELL [ "cmd" ]
