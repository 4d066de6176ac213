FROM
FROM debian # the base
FROM debian AS
FROM debian AS a b
FROM debian build
FROM debian is base
FROM debian AS 1st
FROM debian AS a/b
RUN
RUN --network=none
CMD
ENTRYPOINT
LABEL
ENV
ARG
MAINTAINER
EXPOSE
VOLUME
VOLUME []
VOLUME ["/a", " "]
USER
WORKDIR
STOPSIGNAL
SHELL
SHELL []
SHELL /bin/bash -c
HEALTHCHECK
ONBUILD
COPY
COPY a
COPY []
COPY ["a"]
ADD a
ADD --chown=x
