FROM debian:stable AS tools
RUN echo tools

FROM debian:stable-slim
RUN --mount=type=bind,target=/src,rw \
    --mount=type=bind,from=tools,source=/usr/bin,target=/tools,readonly \
    --mount=type=tmpfs,target=/tmp,size=256m \
    cd /src && make install
