FROM --platfrom=linux/amd64 debian
COPY --form=x a b
COPY --chwon=a --link=maybe --link= a b
COPY --from a b
COPY --link --link a b
COPY --chown=a --chown=b a b
COPY --checksum=x a b
ADD --from=x a b
RUN --mount x
RUN --netwrok=none x
RUN --network=nono x
RUN --network=$NET x
RUN --security=off x
CMD --help
ENTRYPOINT --verbose x
ENV --a=1 b=2
COPY --banana=1 a b
COPY --chown="a b c
USER --x y
HEALTHCHECK --intervall=3s CMD x
ONBUILD --x RUN y
