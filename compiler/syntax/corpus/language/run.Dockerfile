FROM scratch
RUN echo hello   world
RUN ["/bin/echo", "a b", "\u00e9\n"]
RUN [ "a" ]  
RUN []
RUN ["not", "json"
RUN ['a', 'b']
RUN [ -f x ] || exit 1
RUN ["a"] b
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=bind,source=.,target=/src apt-get update
RUN --mount=type=secret,id=token,env=TOKEN --network=none --security=sandbox make
RUN --mount=target=/a,"id=x y" --mount='type=tmpfs,target=/tmp,size=64m' x
RUN --mount=type=cache,id=$ID,target=${DIR:-/x} x
RUN --device=vendor.com/class=name --device=other,required x
RUN -- --not-a-flag
RUN --network=host -- x
RUN echo --mount=x
RUN a && \
    b # c
RUN a \
    # a comment
    && b \

    && c
