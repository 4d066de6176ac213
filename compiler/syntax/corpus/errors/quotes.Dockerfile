FROM debian"
COPY it's /x
COPY "a b" /x
COPY ["it's", "/x"]
WORKDIR "/a
EXPOSE "80
VOLUME '/a
COPY --chown=a "one two" "three  four" /x
COPY a'b /x
