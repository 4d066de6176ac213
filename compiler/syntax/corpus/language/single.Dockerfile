FROM scratch
USER app
USER 1000:1000
USER a b
WORKDIR /a b/c
WORKDIR $HOME/"x y"
WORKDIR relative
STOPSIGNAL SIGTERM
STOPSIGNAL $SIG
MAINTAINER Some One <one@example.com>
maintainer "it's"
