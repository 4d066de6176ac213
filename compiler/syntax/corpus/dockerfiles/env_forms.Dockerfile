FROM debian:stable-slim
ENV ONE=1
ENV TWO="two words" THREE=three\ words FOUR='single $quoted'
ENV LEGACY the rest of this line, "quotes" too
ENV PATH=/opt/bin:$PATH \
    LANG=C.UTF-8 \
    LC_ALL=C.UTF-8
ENV EMPTY=
ENV NESTED=${UNSET:-${ONE:+set}}
CMD env
