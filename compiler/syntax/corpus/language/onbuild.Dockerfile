FROM scratch
ONBUILD RUN make
onbuild copy --from=x a b
ONBUILD   ENV a=1 b=2
ONBUILD HEALTHCHECK --interval=3s CMD x
ONBUILD CMD ["a"]
ONBUILD USER   x
ONBUILD ARG a
ONBUILD RUN a \
  && b
