FROM scratch
ENV a
ENV a=1 b
ENV a = 1
ENV =1
LABEL a
LABEL a=1 b c=2 d
ARG =x
ENV a="unclosed
LABEL a=it's b='
ENV legacy it's
