FROM scratch
COPY --from=$STAGE a b
COPY --from=${STAGE}-x a b
COPY --from=x$ a b
