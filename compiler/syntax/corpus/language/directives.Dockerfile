# Syntax = docker/dockerfile:1.7  
#escape=`
#   check=skip=JSONArgsRecommended;error=true
# unknown=1
# escape=\
FROM scratch
# check=skip=LegacyKeyValueFormat
ENV a b
RUN a `
  b
COPY c:\x\ d:\y
ENV p=c:\x\y q=a`"b
RUN --mount=type=bind,target=a\b x
