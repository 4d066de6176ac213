FROM scratch
RUN --mount=type=cahce,target=/x a
RUN --mount=type=cache,taget=/x a
RUN --mount=type=cache,target a
RUN --mount=type=cache,target=/x,sharing=lockd a
RUN --mount=type=bind,target=/x,mode=0755 a
RUN --mount=type=tmpfs,target=/x,size=big a
RUN --mount=type=bind,from=$STAGE,target=/x a
RUN --mount=type=secret a
RUN --mount=type=secret,id=a,from=b a
RUN --mount=type=cache,target=/x,uid=root --mount=type=ssh,mode=9 a
RUN --mount=type=bind,target=/x,required a
RUN --mount=type=cache,target=/x, a
RUN --mount=type=secret,id=a,src=b --mount= a
RUN --mount=type=ssh,env=X a
