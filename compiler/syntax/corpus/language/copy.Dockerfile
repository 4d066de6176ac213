FROM scratch
COPY a b
COPY a b c d/
COPY ["a b", "c"]
COPY ["a", "b", "with \"quotes\"/"]
COPY --from=build /a /b
COPY --from=0 --chown=user:group --chmod=0755 --link a b
COPY --link=false --parents --exclude=*.txt --exclude='a b' ./x/./y /z
COPY --link=TRUE $src ${dst:-/x}
copy	a	b
COPY --chown="a:b" \
     a \
     b
COPY [a b]
COPY a\ b c
