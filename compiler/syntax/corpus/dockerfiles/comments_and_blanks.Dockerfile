# A comment before everything

   # an indented one
FROM debian:stable-slim

RUN echo one \
    # a comment within
    && echo two \

    && echo three

# trailing comment
RUN echo "# not a comment" # nor this, for docker
#
CMD ["true"]
# the end
