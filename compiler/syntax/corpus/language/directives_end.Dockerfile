# a comment ends them
# escape=`
FROM scratch
RUN a \
  b
