# syntax=docker/dockerfile:1
ARG a
RUN x
ENV a=1
FROM debian
RUN y
