#!/usr/bin/env build
# syntax=docker/dockerfile:1
# escape=`
# check=skip=all
FROM scratch
RUN a \
RUN b
